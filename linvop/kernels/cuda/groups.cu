// Groups, the halves of words: each from its parent, for all structures and groups of one length.
//
//     G_g[r, j] = E^(z)[base + r, j]                            (no parent)
//     G_g[r, j] = sum_(k in channel) G_parent[r, k] M^(z)[k, j]
//
// and backwards, M being symmetric,
//
//     dG_parent[r, k] += sum_(g: parent, channel) sum_j dG_g[r, j] M^(z)[j, k]
//     dM^(z)[k, j]    += sum_(g: z, channel) sum_r G_parent[r, k] dG_g[r, j]
//     dE^(z)[base + r, j] += dG_g[r, j]                         (no parent)
//
// Structures differ in size: each fills the corner of a square of n_ao, and nothing beyond its own
// rows and columns is read or written. Products over few k, whose results are many, are bound by
// what they write: a tile of results is made from two strips in shared memory, a block of 4 x 4 of
// it by one thread. Every number has one thread and one order. Right for any grid and block.
//
// Arrays: groups (slot, structure, n_rows, n_ao), matrices (structure, source, n_ao, n_ao),
// slot (structure, group), negative where the group is zero.

#define TILE_R 32
#define TILE_J 64
#define TILE_K 32

extern "C" __global__ void groups(
    double* __restrict__ values, const double* __restrict__ first,
    const double* __restrict__ middle, const int* __restrict__ channel_start,
    const int* __restrict__ base, const int* __restrict__ n_own, const int* __restrict__ slot,
    const int* __restrict__ chosen, const int* __restrict__ parent,
    const int* __restrict__ channel, const int* __restrict__ source, long long n_structures,
    long long n_chosen, long long n_groups, long long n_channels, long long n_sources,
    long long n_rows, long long n_ao)
{
    extern __shared__ double linvop_shared[];
    double* left = linvop_shared;
    double* right = left + TILE_R * (TILE_K + 1);
    const unsigned tiles_j = (unsigned)((n_ao + TILE_J - 1) / TILE_J), each = (unsigned)n_chosen;
    const unsigned tiles = tiles_j * (unsigned)((n_rows + TILE_R - 1) / TILE_R);
    const unsigned tasks = (unsigned)n_structures * each * tiles;
    for (unsigned task = blockIdx.x; task < tasks; task += gridDim.x) {
        const unsigned item = task / tiles, tile = task % tiles;
        const long long b = item / each;
        const int g = chosen[item % each];
        const int r0 = (int)(tile / tiles_j) * TILE_R, j0 = (int)(tile % tiles_j) * TILE_J;
        const int* start = channel_start + b * (n_channels + 1);
        const int own = slot[b * n_groups + g], rows = n_own[b], columns = start[n_channels];
        if (own < 0 || r0 >= rows || j0 >= columns) continue;
        double* G = values + (own * n_structures + b) * n_rows * n_ao;
        const double* matrix =
            (parent[g] < 0 ? first : middle) + (b * n_sources + source[g]) * n_ao * n_ao;
        if (parent[g] < 0) {
            for (int x = threadIdx.x; x < TILE_R * TILE_J; x += blockDim.x) {
                const int r = r0 + x / TILE_J, j = j0 + x % TILE_J;
                if (r < rows && j < columns)
                    G[r * n_ao + j] = matrix[(base[b] + r) * n_ao + j];
            }
            continue;
        }
        const double* P =
            values + (slot[b * n_groups + parent[g]] * n_structures + b) * n_rows * n_ao;
        const int low = start[channel[g]], width = start[channel[g] + 1] - low;
        for (int k0 = 0; k0 < width; k0 += TILE_K) {
            const int n_k = width - k0 < TILE_K ? width - k0 : TILE_K;
            __syncthreads();
            for (int x = threadIdx.x; x < TILE_R * TILE_K; x += blockDim.x) {
                const int r = x / TILE_K, k = x % TILE_K;
                if (k < n_k)
                    left[r * (TILE_K + 1) + k] =
                        r0 + r < rows ? P[(r0 + r) * n_ao + low + k0 + k] : 0.0;
            }
            for (int x = threadIdx.x; x < TILE_J * n_k; x += blockDim.x) {
                const int k = x / TILE_J, j = x % TILE_J;
                right[x] = j0 + j < columns ? matrix[(low + k0 + k) * n_ao + j0 + j] : 0.0;
            }
            __syncthreads();
            for (int x = threadIdx.x; x < TILE_R / 4 * TILE_J / 4; x += blockDim.x) {
                const int r = x / (TILE_J / 4), j = x % (TILE_J / 4);
                double sums[4][4] = {};
                for (int k = 0; k < n_k; k++)
                    for (int a = 0; a < 4; a++)
                        for (int c = 0; c < 4; c++)
                            sums[a][c] += left[(r + a * (TILE_R / 4)) * (TILE_K + 1) + k] *
                                          right[k * TILE_J + j + c * (TILE_J / 4)];
                for (int a = 0; a < 4; a++)
                    for (int c = 0; c < 4; c++) {
                        const int y = r0 + r + a * (TILE_R / 4), z = j0 + j + c * (TILE_J / 4);
                        if (y >= rows || z >= columns) continue;
                        if (k0)
                            G[y * n_ao + z] += sums[a][c];
                        else
                            G[y * n_ao + z] = sums[a][c];
                    }
            }
        }
    }
}

// One task: a parent and a channel; its children are child_first[task] : child_first[task + 1].
extern "C" __global__ void parents_adjoint(
    double* __restrict__ by_values, const double* __restrict__ middle,
    const int* __restrict__ channel_start, const int* __restrict__ n_own,
    const int* __restrict__ slot, const int* __restrict__ task_parent,
    const int* __restrict__ task_channel, const int* __restrict__ child_first,
    const int* __restrict__ child, const int* __restrict__ source, long long n_structures,
    long long task_low, long long n_tasks, long long n_groups, long long n_channels,
    long long n_sources, long long n_rows, long long n_ao)
{
    const unsigned each = (unsigned)n_tasks, tasks = (unsigned)n_structures * each;
    for (unsigned task = blockIdx.x; task < tasks; task += gridDim.x) {
        const long long b = task / each, own = task_low + task % each;
        const int* start = channel_start + b * (n_channels + 1);
        const int low = start[task_channel[own]];
        const int width = start[task_channel[own] + 1] - low, columns = start[n_channels];
        const int above = slot[b * n_groups + task_parent[own]];
        if (above < 0) continue;
        double* by = by_values + (above * n_structures + b) * n_rows * n_ao + low;
        for (int x = threadIdx.x; x < n_own[b] * width; x += blockDim.x) {
            const int r = x / width, k = x % width;
            double total = 0.0;
            for (int u = child_first[own]; u < child_first[own + 1]; u++) {
                const int g = child[u];
                const double* of = by_values +
                    (slot[b * n_groups + g] * n_structures + b) * n_rows * n_ao + r * n_ao;
                const double* M = middle + (b * n_sources + source[g]) * n_ao * n_ao + low + k;
                for (int j = 0; j < columns; j++) total += of[j] * M[j * n_ao];
            }
            by[r * n_ao + k] += total;
        }
    }
}

// One task: a source and a channel, with all groups that end with them; -1 for those without.
extern "C" __global__ void matrices_adjoint(
    const double* __restrict__ values, const double* __restrict__ by_values,
    double* __restrict__ by_first, double* __restrict__ by_middle,
    const int* __restrict__ channel_start, const int* __restrict__ base,
    const int* __restrict__ n_own, const int* __restrict__ slot,
    const int* __restrict__ task_source, const int* __restrict__ task_channel,
    const int* __restrict__ child_first, const int* __restrict__ child,
    const int* __restrict__ parent, long long n_structures, long long n_tasks,
    long long n_groups, long long n_channels, long long n_sources, long long n_rows,
    long long n_ao)
{
    const unsigned each = (unsigned)n_tasks, tasks = (unsigned)n_structures * each;
    for (unsigned task = blockIdx.x; task < tasks; task += gridDim.x) {
        const long long b = task / each, own = task % each;
        const int* start = channel_start + b * (n_channels + 1);
        const int columns = start[n_channels], channel = task_channel[own];
        const long long matrix = (b * n_sources + task_source[own]) * n_ao * n_ao;
        const int low = channel < 0 ? base[b] : start[channel];
        const int width = channel < 0 ? n_own[b] : start[channel + 1] - low;
        double* by = (channel < 0 ? by_first : by_middle) + matrix + low * n_ao;
        for (int x = threadIdx.x; x < width * columns; x += blockDim.x) {
            const int k = x / columns, j = x % columns;
            double total = 0.0;
            for (int u = child_first[own]; u < child_first[own + 1]; u++) {
                const int g = child[u], s = slot[b * n_groups + g];
                if (s < 0) continue;
                const double* of = by_values + (s * n_structures + b) * n_rows * n_ao + j;
                if (channel < 0) {
                    total += of[k * n_ao];
                    continue;
                }
                const double* P = values +
                    (slot[b * n_groups + parent[g]] * n_structures + b) * n_rows * n_ao + low + k;
                for (int r = 0; r < n_own[b]; r++) total += P[r * n_ao] * of[r * n_ao];
            }
            by[k * n_ao + j] += total;
        }
    }
}
