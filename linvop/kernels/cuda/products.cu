// Products of site features, A -> AA -> B, and their derivatives by A.
//
//     B_(t mu) = sum_sites sum_a T_(t mu, a) prod_s A[o_s + m_(a, s) d_s]
//     dA[o_s + m d_s] = sum_products sum_(a: m_(a, s) = m) T_(t mu, a) G_(t mu) prod_(s' != s) A_(s')
//
// Forwards one thread makes one element of B: the monomials of an element are few and their factors
// in cache, so that making them again costs less than keeping them. Backwards one block takes one
// irrep of A at one site and all products that it is a factor of; threads keep sums of their own,
// added up in order at the end. No atomics; results depend on the number of threads of a block by
// rounding only, which is fixed. Right for any grid and block.

extern "C" __global__ void products(
    const double* __restrict__ factors, double* __restrict__ out,
    const int* __restrict__ row_first, const int* __restrict__ element_product,
    const int* __restrict__ element_row, const int* __restrict__ element_place,
    const int* __restrict__ product_monomial, const int* __restrict__ product_first,
    const int* __restrict__ slot_offset, const int* __restrict__ slot_stride,
    const int* __restrict__ position, const int* __restrict__ row_entries,
    const int* __restrict__ entry_monomial, const double* __restrict__ entry_value,
    long long n_rows, long long n_elements, long long n_factors, long long row_size,
    long long n_positions)
{
    const long long threads = (long long)gridDim.x * blockDim.x;
    for (long long x = (long long)blockIdx.x * blockDim.x + threadIdx.x; x < n_rows * n_elements;
         x += threads) {
        const long long row = x / n_elements;
        const int e = (int)(x % n_elements);
        const int product = element_product[e], table = element_row[e];
        const int slot = product_first[product];
        const int order = product_first[product + 1] - slot;
        const long long base = product_monomial[product];
        double total = 0.0;
        for (int site = row_first[row]; site < row_first[row + 1]; site++) {
            const double* A = factors + site * n_factors;
            for (int t = row_entries[table]; t < row_entries[table + 1]; t++) {
                const int* m = position + (base + entry_monomial[t]) * n_positions;
                double value = entry_value[t];
                for (int s = 0; s < order; s++)
                    value *= A[slot_offset[slot + s] + slot_stride[slot + s] * m[s]];
                total += value;
            }
        }
        out[row * row_size + element_place[e]] = total;
    }
}

extern "C" __global__ void products_adjoint(
    const double* __restrict__ factors, const double* __restrict__ gradient,
    double* __restrict__ out, const int* __restrict__ row_of_site,
    const int* __restrict__ factor_first, const int* __restrict__ factor_offset,
    const int* __restrict__ factor_stride, const int* __restrict__ factor_width,
    const int* __restrict__ use_product, const int* __restrict__ use_slot, const int* __restrict__ product_shape,
    const int* __restrict__ product_monomial, const int* __restrict__ product_first,
    const int* __restrict__ product_offset, const int* __restrict__ product_stride,
    const int* __restrict__ slot_offset, const int* __restrict__ slot_stride,
    const int* __restrict__ shape_rows, const int* __restrict__ shape_width,
    const int* __restrict__ position, const int* __restrict__ row_entries,
    const int* __restrict__ entry_monomial, const double* __restrict__ entry_value,
    long long n_sites, long long n_irreps, long long n_factors, long long n_positions,
    long long widest, long long gradient_step)
{
    extern __shared__ double linvop_shared[];
    double* own = linvop_shared + threadIdx.x * widest;
    const unsigned each = (unsigned)n_irreps, tasks = (unsigned)n_sites * each;
    for (unsigned task = blockIdx.x; task < tasks; task += gridDim.x) {
        const long long site = task / each;
        const int factor = (int)(task % each);
        const double* A = factors + site * n_factors;
        const double* G = gradient + row_of_site[site] * gradient_step;
        for (int m = 0; m < widest; m++) own[m] = 0.0;
        for (int u = factor_first[factor] + threadIdx.x; u < factor_first[factor + 1];
             u += blockDim.x) {
            const int product = use_product[u], s = use_slot[u];
            const int slot = product_first[product];
            const int order = product_first[product + 1] - slot;
            const int shape = product_shape[product], width = shape_width[shape];
            const long long base = product_monomial[product];
            for (int r = shape_rows[shape]; r < shape_rows[shape + 1]; r++) {
                const int k = r - shape_rows[shape];
                const double g = G[product_offset[product] + k / width +
                                   k % width * product_stride[product]];
                for (int t = row_entries[r]; t < row_entries[r + 1]; t++) {
                    const int* m = position + (base + entry_monomial[t]) * n_positions;
                    double value = entry_value[t] * g;
                    for (int z = 0; z < order; z++)
                        if (z != s)
                            value *= A[slot_offset[slot + z] + slot_stride[slot + z] * m[z]];
                    own[m[s]] += value;
                }
            }
        }
        __syncthreads();
        for (int m = threadIdx.x; m < factor_width[factor]; m += blockDim.x) {
            double total = 0.0;
            for (int t = 0; t < (int)blockDim.x; t++) total += linvop_shared[t * widest + m];
            out[site * n_factors + factor_offset[factor] + (long long)m * factor_stride[factor]] =
                total;
        }
        __syncthreads();
    }
}
