/* Transposable masks from C: known bits, both forms of one matrix on every level and in every storage, and every
 * mistake named with nothing written. */
#include "common.h"
#include <math.h>

/* Index k of a group of a 2:4 row. */
static size_t index_of(const spnm_compressed *a, size_t row, size_t e)
{
    return (size_t)(a->meta[row * a->ld_meta + e / 4] >> e % 4 * 2 & 3);
}

static float value_of(const spnm_compressed *a, size_t row, size_t e)
{
    return ((const float *)a->values)[row * a->ld_values + e];
}

/* One tile against every mask there is, and a poisoned one. */
static void known(void)
{
    float tile[16] = {9, 8, 7, 0, 1, 2, 3, 0, -6, 0, -0.0f, 5, 0, 4, 1, 1};
    float best = 0;
    spnm_compressed out = common_compressed(4, 4, 2, 4), out_t = common_compressed(4, 4, 2, 4);
    spnm_matrix w = common_view(tile, 4, 4);
    EXPECT(SPNM_OK, spnm_compress_transposable(NULL, &w, &out, &out_t));
    for (int mask = 0; mask < 1 << 16; mask++) {
        float sum = 0;
        int legal = 1;
        for (int i = 0; i < 4 && legal; i++) {
            int in_row = 0, in_column = 0;
            for (int j = 0; j < 4; j++) {
                in_row += mask >> (4 * i + j) & 1;
                in_column += mask >> (4 * j + i) & 1;
                sum += mask >> (4 * i + j) & 1 ? fabsf(tile[4 * i + j]) : 0;
            }
            legal = in_row == 2 && in_column == 2;
        }
        if (legal && sum > best)
            best = sum;
    }
    float kept = 0;
    for (size_t i = 0; i < 4; i++)
        kept += fabsf(value_of(&out, i, 0)) + fabsf(value_of(&out, i, 1));
    CHECK(best > 0 && kept == best);

    static const uint8_t first[4] = {0x4, 0x4, 0xE, 0xE};
    float poison[16] = {1, 1, 1, 1, 1, 1, NAN, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    w.data = poison;
    EXPECT(SPNM_OK, spnm_compress_transposable(NULL, &w, &out, &out_t));
    CHECK(memcmp(out.meta, first, 4) == 0 && memcmp(out_t.meta, first, 4) == 0);
    for (size_t i = 0; i < 4; i++)
        CHECK(isnan(value_of(&out, i, 0)) && isnan(value_of(&out, i, 1)) && isnan(value_of(&out_t, i, 0)));
    EXPECT(SPNM_OK, spnm_prune_transposable(NULL, &w, &w));
    CHECK(isnan(poison[0]) && poison[6] == 0 && isnan(poison[15]));
    free(out.values), free(out.meta), free(out_t.values), free(out_t.meta);
}

/* Both forms expand to what prune gives, and to its transpose. */
static void forms(size_t rows, size_t cols, uint32_t isa, int by_columns, spnm_pool *pool)
{
    float *data = common_alloc(rows * cols * sizeof *data), *pruned = common_alloc(rows * cols * sizeof *data);
    float *back = common_alloc(rows * cols * sizeof *data), *turned = common_alloc(rows * cols * sizeof *data);
    common_fill(data, rows * cols, (uint32_t)(rows * 7 + cols));
    spnm_options options = common_options(isa, pool);
    spnm_matrix w = by_columns ? common_t(common_view(data, cols, rows)) : common_view(data, rows, cols);
    spnm_matrix p = common_view(pruned, rows, cols), b = common_view(back, rows, cols);
    spnm_matrix t = common_view(turned, cols, rows);
    spnm_compressed out = common_compressed(rows, cols, 2, 4), out_t = common_compressed(cols, rows, 2, 4);
    EXPECT(SPNM_OK, spnm_compress_transposable(&options, &w, &out, NULL));
    EXPECT(SPNM_OK, spnm_compress_transposable(&options, &w, NULL, &out_t));
    EXPECT(SPNM_OK, spnm_compress_transposable(&options, &w, &out, &out_t));
    EXPECT(SPNM_OK, spnm_validate(&out, NULL, NULL));
    EXPECT(SPNM_OK, spnm_validate(&out_t, NULL, NULL));
    EXPECT(SPNM_OK, spnm_prune_transposable(&options, &w, &p));
    EXPECT(SPNM_OK, spnm_decompress(&options, &out, &b));
    EXPECT(SPNM_OK, spnm_decompress(&options, &out_t, &t));
    CHECK(memcmp(pruned, back, rows * cols * sizeof *data) == 0);
    int wrong = 0;
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++) {
            float x = by_columns ? data[j * rows + i] : data[i * cols + j], y = pruned[i * cols + j];
            wrong += (y != 0 && y != x) || turned[j * rows + i] != y;
        }
    for (size_t i = 0; i < rows; i++)
        for (size_t e = 0; e < out.ld_values; e++)
            wrong += e % 2 && index_of(&out, i, e) <= index_of(&out, i, e - 1);
    CHECK(wrong == 0);
    EXPECT(SPNM_OK, spnm_prune_transposable(&options, &w, &w));
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++)
            wrong += (by_columns ? data[j * rows + i] : data[i * cols + j]) != pruned[i * cols + j];
    CHECK(wrong == 0);
    free(out.values), free(out.meta), free(out_t.values), free(out_t.meta);
    free(data), free(pruned), free(back), free(turned);
}

/* Everything that a call may touch, in one piece, so that one comparison sees every stray write. */
static struct memory {
    char before[64];
    float w[8 * 12], out[8 * 12], values[8 * 6], values_t[12 * 4];
    uint8_t meta[8 * 2], meta_t[12];
    char after[64];
} now, then;

static spnm_matrix w, dense;
static spnm_compressed out, out_t;
static spnm_options options;

static void reset(void)
{
    memset(&now, 0x5A, sizeof now);
    common_fill(now.w, 96, 1);
    w = common_view(now.w, 8, 12);
    dense = common_view(now.out, 8, 12);
    out = (spnm_compressed){now.values, now.meta, 8, 12, 6, 2, 2, 4, SPNM_F32, 1};
    out_t = (spnm_compressed){now.values_t, now.meta_t, 12, 8, 4, 1, 2, 4, SPNM_F32, 1};
    options = common_options(SPNM_ISA_AUTO, NULL);
}

/* With one thing wrong, a call is refused with this status and leaves everything as it was. */
#define REFUSED(want, wrong, call)                                                         \
    do {                                                                                   \
        wrong;                                                                             \
        then = now;                                                                        \
        EXPECT(want, call);                                                                \
        CHECK(memcmp(&then, &now, sizeof now) == 0);                                       \
        reset();                                                                           \
    } while (0)
#define COMPRESS() spnm_compress_transposable(&options, &w, &out, &out_t)
#define PRUNE() spnm_prune_transposable(&options, &w, &dense)
#define BOTH(want, wrong)                                                                  \
    do {                                                                                   \
        REFUSED(want, wrong, COMPRESS());                                                  \
        REFUSED(want, wrong, PRUNE());                                                     \
    } while (0)

static void mistakes(void)
{
    reset();
    REFUSED(SPNM_E_NULL, (void)0, spnm_compress_transposable(&options, NULL, &out, &out_t));
    REFUSED(SPNM_E_NULL, (void)0, spnm_compress_transposable(&options, &w, NULL, NULL));
    REFUSED(SPNM_E_NULL, (void)0, spnm_prune_transposable(&options, NULL, &dense));
    REFUSED(SPNM_E_NULL, (void)0, spnm_prune_transposable(&options, &w, NULL));
    BOTH(SPNM_E_NULL, w.data = NULL);
    REFUSED(SPNM_E_NULL, out.values = NULL, COMPRESS());
    REFUSED(SPNM_E_NULL, out.meta = NULL, COMPRESS());
    REFUSED(SPNM_E_NULL, out_t.values = NULL, COMPRESS());
    REFUSED(SPNM_E_NULL, out_t.meta = NULL, COMPRESS());
    REFUSED(SPNM_E_NULL, dense.data = NULL, PRUNE());
    BOTH(SPNM_E_STRUCT_SIZE, options.struct_size = 1);
    BOTH(SPNM_E_OPTION, options.flags = 1);
    BOTH(SPNM_E_OPTION, w.reserved = 1);
    REFUSED(SPNM_E_OPTION, dense.reserved = 1, PRUNE());
    BOTH(SPNM_E_ISA, options.isa = 99);
    static const uint32_t patterns[][2] = {{1, 4}, {4, 8}, {2, 8}, {1, 2}, {3, 4}, {0, 0}, {2, UINT32_MAX}};
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        REFUSED(SPNM_E_PATTERN, (out.n = patterns[i][0], out.m = patterns[i][1]), COMPRESS());
        REFUSED(SPNM_E_PATTERN, (out_t.n = patterns[i][0], out_t.m = patterns[i][1]), COMPRESS());
    }
    REFUSED(SPNM_E_PATTERN, (out.m = 8, w.dtype = 77), COMPRESS());
    REFUSED(SPNM_E_OPTION, out.group = 2, COMPRESS());
    REFUSED(SPNM_E_PATTERN, out_t.group = 0, COMPRESS());
    BOTH(SPNM_E_DTYPE, w.dtype = SPNM_BF16);
    REFUSED(SPNM_E_DTYPE, out.dtype = 77, COMPRESS());
    REFUSED(SPNM_E_DTYPE, out_t.dtype = SPNM_F16, COMPRESS());
    REFUSED(SPNM_E_DTYPE, dense.dtype = 3, PRUNE());
    BOTH(SPNM_E_SHAPE, w.rows = 7);
    BOTH(SPNM_E_SHAPE, w.cols = SIZE_MAX);
    REFUSED(SPNM_E_SHAPE, out.rows = 9, COMPRESS());
    REFUSED(SPNM_E_SHAPE, out_t.cols = 9, COMPRESS());
    REFUSED(SPNM_E_SHAPE, (out_t.rows = 8, out_t.cols = 12), COMPRESS());
    REFUSED(SPNM_E_STRIDE, out.ld_values = 5, COMPRESS());
    REFUSED(SPNM_E_STRIDE, out.ld_meta = 1, COMPRESS());
    REFUSED(SPNM_E_STRIDE, out_t.ld_values = 3, COMPRESS());
    REFUSED(SPNM_E_STRIDE, out_t.ld_meta = 0, COMPRESS());
    REFUSED(SPNM_E_STRIDE, dense.row_stride = 1, PRUNE());
    BOTH(SPNM_E_OVERFLOW, w.row_stride = PTRDIFF_MAX);
    REFUSED(SPNM_E_OVERFLOW, out_t.ld_meta = SIZE_MAX, COMPRESS());
    REFUSED(SPNM_E_OVERFLOW, (w.rows = out.rows = out_t.cols = (size_t)1 << 31, w.row_stride = 0), COMPRESS());
    REFUSED(SPNM_E_OVERFLOW, (w.cols = dense.cols = (size_t)1 << 31, w.col_stride = 0), PRUNE());
    REFUSED(SPNM_E_OVERLAP, out.values = now.w + 95, COMPRESS());
    REFUSED(SPNM_E_OVERLAP, out_t.meta = (uint8_t *)now.w, COMPRESS());
    REFUSED(SPNM_E_OVERLAP, out_t.values = now.values + 47, COMPRESS());
    REFUSED(SPNM_E_OVERLAP, out_t.meta = now.meta + 15, COMPRESS());
    REFUSED(SPNM_E_OVERLAP, out_t.meta = (uint8_t *)now.values, COMPRESS());
    REFUSED(SPNM_E_OVERLAP, dense.data = now.w + 1, PRUNE());

    /* No elements, and one output alone: what is not there is not looked at. */
    w.rows = out.rows = out_t.cols = 0;
    w.data = out.values = out_t.values = NULL;
    then = now;
    EXPECT(SPNM_OK, COMPRESS());
    CHECK(memcmp(&then, &now, sizeof now) == 0);
    reset();
    EXPECT(SPNM_OK, spnm_compress_transposable(NULL, &w, NULL, &out_t));
    CHECK(memcmp(now.values, then.values, sizeof now.values) == 0);
    CHECK(memcmp(now.values_t, then.values_t, sizeof now.values_t) != 0);
}

int main(void)
{
    static const size_t shapes[][2] = {{4, 4}, {1, 1}, {5, 3}, {32, 64}, {37, 70}, {130, 257}, {9, 300}};
    known();
    spnm_pool *pool = NULL;
    EXPECT(SPNM_OK, spnm_pool_create(3, &pool));
    for (uint32_t isa = SPNM_ISA_AUTO; isa <= SPNM_ISA_NEON; isa++)
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes && spnm_isa_available(isa); s++)
            for (int k = 0; k < 4; k++)
                forms(shapes[s][0], shapes[s][1], isa, k % 2, k / 2 ? pool : NULL);
    spnm_pool_free(pool);
    mistakes();
    return common_report("transposable");
}
