// Words at sites or between two atoms, coupled to irreps.
//
//     B_e(row) = sum_t v_t sum_s W_s[q_t, q'_t],
//     W_s[q, q'] = sum_k head[i + s, q, k] tail[j + s, q', k]      (k over the channel of the cut)
//     W_s[q, q'] = local[i + s, q; j + s, q']                      (kappa = 1)
//
// A row of results is (structure, i, j, n) and sums s = 0 .. n - 1: one site (i = j, n = 1), the
// sites of a species in a structure (i = j = 0, n = all), or a pair of atoms (n = 1).
//
// One block of threads takes one row and one tile: words that share cut, tail and entries
// (linvop/kernels/word_tables.py). The joint index (s, k) runs in steps of TILE_K whose heads and
// tail stand in shared memory. Each sum has one thread and one order: results do not depend on
// the launch. Right for any grid and block; shared memory is word_tables().shared doubles.
//
// Arrays: heads (slot, structure, row, ao), tails likewise, local (structure, source, ao, ao).
// In structure b, local row q of atom i stands in row start[b, q] + i * step[q] of its species,
// whose first AO is base[b]. slot_i (structure, group) < 0: a head that is zero there,
// and slot_j for tails.

#define TILE_K 16

extern "C" __global__ void words(
    const double* __restrict__ local, const double* __restrict__ heads,
    const double* __restrict__ tails, double* __restrict__ out, const int* __restrict__ rows,
    const int* __restrict__ channel_start, const int* __restrict__ slot_i,
    const int* __restrict__ slot_j,
    const int* __restrict__ base_of_i, const int* __restrict__ starts_i,
    const int* __restrict__ step_i, const int* __restrict__ base_of_j,
    const int* __restrict__ starts_j, const int* __restrict__ step_j,
    const int* __restrict__ tile_first, const int* __restrict__ word_head,
    const int* __restrict__ word_tail, const int* __restrict__ word_channel,
    const int* __restrict__ word_pattern, const int* __restrict__ pattern_first,
    const int* __restrict__ entry_i, const int* __restrict__ entry_j,
    const int* __restrict__ word_element, const int* __restrict__ element_place,
    const int* __restrict__ element_base, const int* __restrict__ element_terms,
    const int* __restrict__ terms_first, const int* __restrict__ term_entry,
    const double* __restrict__ term_value, long long n_rows, long long n_tiles,
    long long n_structures, long long n_groups, long long n_channels, long long n_sources,
    long long n_ao, long long rows_i, long long rows_j, long long local_i, long long local_j,
    long long row_size)
{
    extern __shared__ double linvop_shared[];
    const int pitch = TILE_K + 1;  // odd: neighbouring rows start in other banks
    const int n_i = (int)local_i, n_j = (int)local_j;
    const unsigned tiles = (unsigned)n_tiles, tasks = (unsigned)n_rows * tiles;
    for (unsigned task = blockIdx.x; task < tasks; task += gridDim.x) {
        const unsigned row = task / tiles, tile = task % tiles;
        const int first = tile_first[tile], n_words = tile_first[tile + 1] - first;
        const int pattern = word_pattern[first];
        const int entry = pattern_first[pattern];
        const int n_entries = pattern_first[pattern + 1] - entry;
        const int n_items = n_words * n_entries;
        const int structure = rows[4 * row], i = rows[4 * row + 1], j = rows[4 * row + 2];
        const int n_sites = rows[4 * row + 3];
        const int* start_i = starts_i + structure * n_i;
        const int* start_j = starts_j + structure * n_j;
        const int* slots = slot_i + structure * n_groups;
        double* sums = linvop_shared;
        double* tail = sums + n_items;
        double* head = tail + n_j * pitch;
        int* pairs = (int*)(head + n_words * n_i * pitch);  // rows of head and tail of each item
        int* steps = pairs + 2 * n_items;  // site s and column of each step k

        __syncthreads();  // the task before may still be read
        if (word_head[first] < 0) {
            const int base_i = base_of_i[structure], base_j = base_of_j[structure];
            for (int x = threadIdx.x; x < n_items; x += blockDim.x) {
                const int w = first + x / n_entries, e = entry + x % n_entries;
                const int q = entry_i[e], p = entry_j[e];
                const double* matrix =
                    local + ((long long)structure * n_sources + word_channel[w]) * n_ao * n_ao;
                double total = 0.0;
                for (int s = 0; s < n_sites; s++)
                    total += matrix[(base_i + start_i[q] + (long long)(i + s) * step_i[q]) * n_ao +
                                    base_j + start_j[p] + (long long)(j + s) * step_j[p]];
                sums[x] = total;
            }
        } else {
            const int* start = channel_start + structure * (n_channels + 1) + word_channel[first];
            const int low = start[0], width = start[1] - low;
            const int tail_slot = slot_j[structure * n_groups + word_tail[first]];
            const int joint = tail_slot < 0 ? 0 : n_sites * width;
            const double* of_tail =
                tails + ((long long)tail_slot * n_structures + structure) * rows_j * n_ao + low;
            for (int x = threadIdx.x; x < n_items; x += blockDim.x) {
                const int e = entry + x % n_entries;
                pairs[2 * x] = (x / n_entries * n_i + entry_i[e]) * pitch;
                pairs[2 * x + 1] = entry_j[e] * pitch;
                sums[x] = 0.0;
            }
            if (joint)
                for (int k = threadIdx.x; k < TILE_K; k += blockDim.x) {
                    steps[2 * k] = k / width;
                    steps[2 * k + 1] = k % width;
                }
            for (int x0 = 0; x0 < joint; x0 += TILE_K) {
                const int n_k = joint - x0 < TILE_K ? joint - x0 : TILE_K;
                __syncthreads();
                for (int x = threadIdx.x; x < n_j * TILE_K; x += blockDim.x) {
                    const int p = x / TILE_K, k = x % TILE_K;
                    if (k < n_k)
                        tail[p * pitch + k] =
                            of_tail[(start_j[p] + (long long)(j + steps[2 * k]) * step_j[p]) *
                                        n_ao + steps[2 * k + 1]];
                }
                for (int w = 0; w < n_words; w++) {
                    const int h = slots[word_head[first + w]];
                    const double* of_head =
                        heads + ((long long)h * n_structures + structure) * rows_i * n_ao + low;
                    double* own = head + w * n_i * pitch;
                    for (int x = threadIdx.x; x < n_i * TILE_K; x += blockDim.x) {
                        const int q = x / TILE_K, k = x % TILE_K;
                        if (k < n_k)
                            own[q * pitch + k] = h < 0 ? 0.0 :
                                of_head[(start_i[q] + (long long)(i + steps[2 * k]) * step_i[q]) *
                                            n_ao + steps[2 * k + 1]];
                    }
                }
                __syncthreads();
                for (int x = threadIdx.x; x < n_items; x += blockDim.x) {
                    const double* one = head + pairs[2 * x];
                    const double* other = tail + pairs[2 * x + 1];
                    double total = 0.0;
                    for (int k = 0; k < n_k; k++) total += one[k] * other[k];
                    sums[x] += total;
                }
                for (int k = threadIdx.x; k < TILE_K; k += blockDim.x) {
                    const int next = x0 + TILE_K + k;
                    steps[2 * k] = next / width;
                    steps[2 * k + 1] = next % width;
                }
            }
        }
        __syncthreads();
        const int element = word_element[first];
        const int n_elements = word_element[first + 1] - element;  // of each word of the tile
        for (int x = threadIdx.x; x < n_words * n_elements; x += blockDim.x) {
            const double* own = sums + x / n_elements * n_entries + element_base[element + x];
            const int terms = element_terms[element + x];
            double total = 0.0;
            for (int t = terms_first[terms]; t < terms_first[terms + 1]; t++)
                total += term_value[t] * own[term_entry[t]];
            out[row * row_size + element_place[element + x]] = total;
        }
    }
}
