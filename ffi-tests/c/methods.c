/* SPNM_MVUE_APPROX, SPNM_SOFT_THRESHOLD and its scale against plain loops in double, on every level. */
#include "common.h"
#include <math.h>

enum { ROWS = 19, COLS = 53, OUT = 6 };

static float a[ROWS * COLS], b[COLS * OUT], c[ROWS * OUT], dense[ROWS * COLS];

/* Entry j of a group of row i; zeros behind the last column. */
static double entry(size_t i, size_t j)
{
    return j < COLS ? (double)a[i * COLS + j] : 0;
}

/* The (n + 1)-th largest magnitude of the group at column g. */
static double dropped(size_t i, size_t g, uint32_t n, uint32_t m)
{
    for (size_t j = g; j < g + m; j++) {
        uint32_t before = 0;
        for (size_t k = g; k < g + m; k++)
            before += fabs(entry(i, k)) > fabs(entry(i, j)) || (fabs(entry(i, k)) == fabs(entry(i, j)) && k < j);
        if (before == n)
            return fabs(entry(i, j));
    }
    return -1;
}

/* The probability that one of two draws without replacement falls on column j. */
static double chance(size_t i, size_t g, uint32_t m, size_t j)
{
    double sum = 0, x = fabs(entry(i, j));
    for (size_t k = g; k < g + m; k++)
        sum += fabs(entry(i, k));
    double p = x / sum;
    for (size_t k = g; k < g + m; k++)
        if (k != j)
            p += fabs(entry(i, k)) / sum * x / (sum - fabs(entry(i, k)));
    return p;
}

static int near(double x, double y)
{
    return fabs(x - y) <= 1e-5 * fabs(y);
}

/* The dense form is what its method says, is what compress and decompress make, and multiplies as such. */
static void forms(const spnm_options *options, uint32_t method, const spnm_rng *rng, uint32_t n, uint32_t m)
{
    spnm_matrix av = common_view(a, ROWS, COLS), dv = common_view(dense, ROWS, COLS);
    spnm_matrix bv = common_view(b, COLS, OUT), cv = common_view(c, ROWS, OUT);
    spnm_compressed kept = common_compressed(ROWS, COLS, n, m);
    EXPECT(SPNM_OK, spnm_prune(options, method, rng, n, m, 1, &av, &dv));
    EXPECT(SPNM_OK, spnm_prune_gemm(options, method, rng, n, m, 1, 1, &av, &bv, 0, &cv));
    int wrong = 0;
    for (size_t i = 0; i < ROWS; i++)
        for (size_t o = 0; o < OUT; o++) {
            double sum = 0, size = 0;
            for (size_t k = 0; k < COLS; k++) {
                double term = (double)dense[i * COLS + k] * (double)b[k * OUT + o];
                sum += term;
                size += fabs(term);
            }
            wrong += !(fabs((double)c[i * OUT + o] - sum) <= 1e-5 * size);
        }
    CHECK(wrong == 0);
    float *again = common_alloc(sizeof dense);
    spnm_matrix again_view = common_view(again, ROWS, COLS);
    EXPECT(SPNM_OK, spnm_compress(options, method, rng, &av, &kept));
    EXPECT(SPNM_OK, spnm_validate(&kept, NULL, NULL));
    EXPECT(SPNM_OK, spnm_decompress(options, &kept, &again_view));
    CHECK(memcmp(again, dense, sizeof dense) == 0);
    free(again), free(kept.values), free(kept.meta);
}

static void soft_threshold(const spnm_options *options, uint32_t n, uint32_t m)
{
    forms(options, SPNM_SOFT_THRESHOLD, NULL, n, m);
    int wrong = 0;
    double along = 0, squares = 0;
    for (size_t i = 0; i < ROWS; i++)
        for (size_t j = 0; j < COLS; j++) {
            double x = entry(i, j), less = fabs(x) - dropped(i, j / m * m, n, m), got = (double)dense[i * COLS + j];
            wrong += !near(got, less > 0 ? copysign((double)(float)less, x) : 0);
            along += x * got;
            squares += got * got;
        }
    CHECK(wrong == 0);
    /* The same from a transposed view; written on success alone. */
    float *t = common_alloc(sizeof a);
    for (size_t e = 0; e < ROWS * COLS; e++)
        t[e % COLS * ROWS + e / COLS] = a[e];
    spnm_matrix w = common_view(a, ROWS, COLS), wt = common_t(common_view(t, COLS, ROWS));
    double scale = -1, same = -2;
    EXPECT(SPNM_OK, spnm_soft_threshold_scale(options, n, m, &w, &scale));
    EXPECT(SPNM_OK, spnm_soft_threshold_scale(options, n, m, &wt, &same));
    CHECK(scale == same && fabs(scale - along / squares) <= 1e-12 * scale && scale >= 1);
    free(t);
}

static void mvue_approx(const spnm_options *options, uint32_t m)
{
    for (uint64_t stream = 0; stream < 4; stream++) {
        spnm_rng rng = {3, stream, 0, 0};
        forms(options, SPNM_MVUE_APPROX, &rng, 2, m);
        int wrong = 0, kept = 0;
        for (size_t i = 0; i < ROWS; i++)
            for (size_t j = 0; j < COLS; j++) {
                double got = (double)dense[i * COLS + j], x = entry(i, j);
                size_t g = j / m * m, entries = g + m <= COLS ? m : COLS - g;
                kept += got != 0;
                /* At most two entries are kept as they are. */
                wrong += got != 0 && !near(got, entries <= 2 ? x : x / chance(i, g, m, j));
            }
        CHECK(wrong == 0 && kept > 0);
    }
}

int main(void)
{
    common_fill(a, ROWS * COLS, 11);
    common_fill(b, COLS * OUT, 12);
    for (uint32_t isa = SPNM_ISA_AUTO; isa <= SPNM_ISA_NEON; isa++)
        for (size_t p = 0; p < COMMON_PATTERNS && spnm_isa_available(isa); p++) {
            uint32_t n = common_patterns[p][0], m = common_patterns[p][1];
            spnm_options options = common_options(isa, NULL);
            soft_threshold(&options, n, m);
            if (n == 2)
                mvue_approx(&options, m);
        }
    double scale = 0;
    spnm_matrix none = common_view(NULL, 0, 7);
    EXPECT(SPNM_OK, spnm_soft_threshold_scale(NULL, 2, 4, &none, &scale));
    CHECK(scale == 1);
    return common_report("methods");
}
