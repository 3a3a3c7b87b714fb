// Words backwards: from derivatives by results to derivatives by groups and local matrices.
//
//     E_w[q, q']            = sum_e v_e G_e                        (uncouple)
//     d/d local[i q; i q']  = E_w[q, q']                           (local_adjoint, kappa = 1)
//     d/d group_g[i, q, k]  = sum_(w: head = g) sum_q' E_w[q, q'] tail_w[i, q', k]
//                           + sum_(w: tail = g) sum_q' E_w[q', q] head_w[i, q', k]
//
// for k in the channel of the words' cut (groups_adjoint). Every number that is written has one
// thread, which adds in a fixed order: no atomics, and results do not depend on the launch.
//
// Rows of G and E: gradient_step = 0 means one row for all. sites holds (structure, site, row);
// the rest as in words.cu and groups.cu, which takes the derivatives by groups further.

extern "C" __global__ void uncouple(
    const double* __restrict__ gradient, double* __restrict__ entries,
    const int* __restrict__ entry_first, const int* __restrict__ term_place,
    const double* __restrict__ term_value, long long n_rows, long long n_entries,
    long long row_size)
{
    const long long threads = (long long)gridDim.x * blockDim.x;
    for (long long x = (long long)blockIdx.x * blockDim.x + threadIdx.x; x < n_rows * n_entries;
         x += threads) {
        const double* own = gradient + x / n_entries * row_size;
        const int entry = (int)(x % n_entries);
        double total = 0.0;
        for (int t = entry_first[entry]; t < entry_first[entry + 1]; t++)
            total += term_value[t] * own[term_place[t]];
        entries[x] = total;
    }
}

extern "C" __global__ void local_adjoint(
    const double* __restrict__ entries, double* __restrict__ by_local,
    const int* __restrict__ sites, const int* __restrict__ words_of_local,
    const int* __restrict__ base_of, const int* __restrict__ starts,
    const int* __restrict__ step, const int* __restrict__ word_channel, const int* __restrict__ word_pattern,
    const int* __restrict__ word_entry, const int* __restrict__ pattern_first,
    const int* __restrict__ entry_i, const int* __restrict__ entry_j, long long n_sites,
    long long n_words, long long n_sources, long long n_ao, long long n_local,
    long long gradient_step)
{
    const unsigned each = (unsigned)n_words, tasks = (unsigned)n_sites * each;
    for (unsigned task = blockIdx.x; task < tasks; task += gridDim.x) {
        const int* site = sites + 3 * (task / each);
        const int word = words_of_local[task % each];
        const int* start = starts + site[0] * n_local;
        const int base = base_of[site[0]];
        const int entry = pattern_first[word_pattern[word]];
        const int n_entries = pattern_first[word_pattern[word] + 1] - entry;
        const double* own = entries + site[2] * gradient_step + word_entry[word];
        double* matrix =
            by_local + ((long long)site[0] * n_sources + word_channel[word]) * n_ao * n_ao;
        for (int x = threadIdx.x; x < n_entries; x += blockDim.x) {
            const int q = entry_i[entry + x], p = entry_j[entry + x];
            matrix[(base + start[q] + (long long)site[1] * step[q]) * n_ao + base + start[p] +
                   (long long)site[1] * step[p]] = own[x];
        }
    }
}

extern "C" __global__ void groups_adjoint(
    const double* __restrict__ entries, const double* __restrict__ groups,
    double* __restrict__ by_groups, const int* __restrict__ sites,
    const int* __restrict__ channel_start, const int* __restrict__ slot,
    const int* __restrict__ starts, const int* __restrict__ step,
    const int* __restrict__ task_group, const int* __restrict__ task_channel,
    const int* __restrict__ task_first, const int* __restrict__ task_word,
    const int* __restrict__ task_role, const int* __restrict__ word_head,
    const int* __restrict__ word_tail, const int* __restrict__ word_pattern,
    const int* __restrict__ word_entry, const int* __restrict__ partner_first,
    const int* __restrict__ partner_row, const int* __restrict__ partner_entry,
    long long n_sites, long long n_tasks, long long n_structures, long long n_groups,
    long long n_channels, long long n_ao, long long n_rows, long long n_local,
    long long gradient_step)
{
    const unsigned each = (unsigned)n_tasks, tasks = (unsigned)n_sites * each;
    for (unsigned task = blockIdx.x; task < tasks; task += gridDim.x) {
        const int* site = sites + 3 * (task / each);
        const int own = (int)(task % each);
        const int* slots = slot + site[0] * n_groups;
        const int* from = channel_start + site[0] * (n_channels + 1) + task_channel[own];
        const int* start = starts + site[0] * n_local;
        const int group = slots[task_group[own]], low = from[0], width = from[1] - low;
        if (group < 0 || width == 0) continue;
        const double* E = entries + site[2] * gradient_step;
        const long long matrix = n_rows * n_ao;
        for (int x = threadIdx.x; x < n_local * width; x += blockDim.x) {
            const int q = x / width, k = low + x % width;
            double total = 0.0;
            for (int u = task_first[own]; u < task_first[own + 1]; u++) {
                const int w = task_word[u], role = task_role[u];
                const int other = slots[role ? word_head[w] : word_tail[w]];
                if (other < 0) continue;
                const double* there =
                    groups + ((long long)other * n_structures + site[0]) * matrix + k;
                const int partners = (2 * word_pattern[w] + role) * (int)n_local + q;
                for (int t = partner_first[partners]; t < partner_first[partners + 1]; t++) {
                    const int p = partner_row[t];
                    total += E[word_entry[w] + partner_entry[t]] *
                             there[(start[p] + (long long)site[1] * step[p]) * n_ao];
                }
            }
            by_groups[((long long)group * n_structures + site[0]) * matrix +
                      (start[q] + (long long)site[1] * step[q]) * n_ao + k] = total;
        }
    }
}
