/* Every operation against plain loops, on every level, in every storage, at every alignment. */
#include "common.h"

/* Index k of a group, from the packed bits. */
static unsigned index_of(const spnm_compressed *a, size_t row, size_t group, unsigned k)
{
    unsigned width = a->m == 2 ? 1 : a->m == 4 ? 2 : 4;
    size_t bit = (group * a->n + k) * width;
    return (unsigned)(a->meta[row / a->group * a->ld_meta + bit / 8] >> bit % 8) & ((1u << width) - 1);
}

static float element(const spnm_matrix *a, size_t i, size_t j)
{
    float x;
    const char *at = (const char *)a->data;
    at += ((ptrdiff_t)i * a->row_stride + (ptrdiff_t)j * a->col_stride) * (ptrdiff_t)sizeof(float);
    memcpy(&x, at, sizeof x);
    return x;
}

/* Copies a matrix into memory with these strides; the view of it. */
static spnm_matrix lay(char *memory, const float *data, size_t rows, size_t cols, ptrdiff_t rs, ptrdiff_t cs)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++)
            memcpy(memory + ((ptrdiff_t)i * rs + (ptrdiff_t)j * cs) * (ptrdiff_t)sizeof(float),
                   &data[i * cols + j], sizeof(float));
    spnm_matrix view = {memory, rows, cols, rs, cs, SPNM_F32, 0};
    return view;
}

static void one(uint32_t n, uint32_t m, uint32_t group, size_t rows, size_t inner, size_t cols, uint32_t isa, size_t shift)
{
    float *a = common_alloc(rows * inner * sizeof(float)), *b = common_alloc(inner * cols * sizeof(float));
    float *dense = common_alloc(rows * inner * sizeof(float)), *want = common_alloc(rows * cols * sizeof(float));
    char *am = common_alloc(2 * rows * inner * sizeof(float) + 8);
    char *bm = common_alloc(2 * inner * cols * sizeof(float) + 8);
    char *cm = common_alloc(2 * rows * cols * sizeof(float) + 8);
    char *dm = common_alloc(2 * rows * inner * sizeof(float) + 8);
    common_fill(a, rows * inner, (uint32_t)(n * 97 + m * 31 + rows));
    common_fill(b, inner * cols, (uint32_t)(inner + cols));
    spnm_compressed kept = common_compressed(rows, inner, n, m); /* no row of meta too few for any group */
    kept.group = group;
    char *values = common_alloc(rows * kept.ld_values * sizeof(float) + 8);
    free(kept.values);
    kept.values = values + shift; /* any alignment */
    spnm_options options = common_options(isa, NULL);
    spnm_rng rng = {7, 9, 0, 0};

    /* Rows contiguous, columns contiguous, neither, and backwards. */
    for (int order = 0; order < 4; order++) {
        size_t last = order == 3 ? rows * inner - 1 : 0;
        ptrdiff_t rs[4] = {(ptrdiff_t)inner, 1, 2 * (ptrdiff_t)inner, -(ptrdiff_t)inner};
        ptrdiff_t cs[4] = {1, (ptrdiff_t)rows, 2, -1};
        spnm_matrix av = lay(am + shift + last * sizeof(float), a, rows, inner, rs[order], cs[order]);
        spnm_matrix dv = {dm + shift + last * sizeof(float), rows, inner, rs[order], cs[order], SPNM_F32, 0};

        EXPECT(SPNM_OK, spnm_compress(&options, SPNM_MVUE, &rng, &av, &kept));
        EXPECT(SPNM_OK, spnm_validate(&kept, NULL, NULL));
        EXPECT(SPNM_OK, spnm_decompress(&options, &kept, &dv));
        memset(dense, 0, rows * inner * sizeof(float));
        int wrong = 0;
        for (size_t i = 0; i < rows; i++)
            for (size_t g = 0; g < (inner + m - 1) / m; g++)
                for (unsigned k = 0; k < n; k++) {
                    size_t j = g * m + index_of(&kept, i, g, k);
                    float x;
                    memcpy(&x, (char *)kept.values + (i * kept.ld_values + g * n + k) * sizeof x, sizeof x);
                    if (j < inner) {
                        dense[i * inner + j] = x;
                        /* An estimate keeps the sign and never shrinks. */
                        float from = a[i * inner + j];
                        wrong += from < 0 ? x > from : x < from;
                    }
                }
        CHECK(wrong == 0);
        for (size_t i = 0; i < rows; i++)
            for (size_t j = 0; j < inner; j++)
                wrong += element(&dv, i, j) != dense[i * inner + j];
        CHECK(wrong == 0);

        /* prune is compress and decompress, also in place. */
        EXPECT(SPNM_OK, spnm_prune(&options, SPNM_MVUE, &rng, n, m, group, &av, &dv));
        for (size_t i = 0; i < rows; i++)
            for (size_t j = 0; j < inner; j++)
                wrong += element(&dv, i, j) != dense[i * inner + j];
        CHECK(wrong == 0);
        spnm_matrix same = av;
        EXPECT(SPNM_OK, spnm_prune(&options, SPNM_MVUE, &rng, n, m, group, &same, &same));
        for (size_t i = 0; i < rows; i++)
            for (size_t j = 0; j < inner; j++)
                wrong += element(&same, i, j) != dense[i * inner + j];
        CHECK(wrong == 0);
        /* What is N:M already can be kept, and gives the same product. */
        EXPECT(SPNM_OK, spnm_compress(&options, SPNM_KEEP, NULL, &same, &kept));
        lay(am + shift + last * sizeof(float), a, rows, inner, rs[order], cs[order]);

        for (int beta = 0; beta < 3; beta++) {
            ptrdiff_t crs[3] = {(ptrdiff_t)cols, 1, 2 * (ptrdiff_t)cols}, ccs[3] = {1, (ptrdiff_t)rows, 2};
            int bo = order % 2, co = (order + beta) % 3;
            spnm_matrix bv = lay(bm + shift, b, inner, cols, bo ? 1 : (ptrdiff_t)cols, bo ? (ptrdiff_t)inner : 1);
            float start = 0.25f, alpha = beta == 1 ? 1.0f : 0.5f, scale = 0.75f * (float)beta;
            for (size_t e = 0; e < rows * cols; e++)
                want[e] = start;
            for (int fused = 0; fused < 2; fused++) {
                spnm_matrix cv = lay(cm + shift, want, rows, cols, crs[co], ccs[co]);
                spnm_status status = fused ? spnm_prune_gemm(&options, SPNM_MVUE, &rng, n, m, group, alpha, &av, &bv, scale, &cv)
                                           : spnm_gemm(&options, alpha, &kept, &bv, scale, &cv);
                EXPECT(SPNM_OK, status);
                for (size_t i = 0; i < rows; i++)
                    for (size_t j = 0; j < cols; j++) {
                        double sum = (double)scale * (double)start, size = 1;
                        for (size_t k = 0; k < inner; k++) {
                            double term = (double)alpha * (double)dense[i * inner + k] * (double)b[k * cols + j];
                            sum += term;
                            size += term < 0 ? -term : term;
                        }
                        double error = (double)element(&cv, i, j) - sum;
                        wrong += !(error <= 1e-5 * size && error >= -1e-5 * size);
                    }
                CHECK(wrong == 0);
            }
        }
    }
    free(values);
    free(kept.meta);
    free(a), free(b), free(dense), free(want), free(am), free(bm), free(cm), free(dm);
}

int main(void)
{
    static const uint32_t groups[] = {1, 8, 1, 3}; /* rows that share indices */
    static const size_t shapes[][3] = {{1, 4, 1}, {3, 7, 5}, {17, 64, 33}, {5, 2, 8}, {33, 70, 19}};
    for (uint32_t isa = SPNM_ISA_AUTO; isa <= SPNM_ISA_NEON; isa++)
        for (size_t p = 0; p < COMMON_PATTERNS && spnm_isa_available(isa); p++)
            for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
                one(common_patterns[p][0], common_patterns[p][1], groups[(s + 2 * p) % 4], shapes[s][0], shapes[s][1], shapes[s][2],
                    isa, (s + p) % 4);
    return common_report("smoke");
}
