/* Whole tensors: threshold pruning, the lognormal model and the criterion, against plain loops, on every level. And every
 * mistake, named, with nothing written. */
#include "common.h"
#include <math.h>

enum { ROWS = 37, COLS = 90, COUNT = ROWS * COLS };

static float data[COUNT];

static void fill(void)
{
    common_fill(data, COUNT, 11);
    for (size_t e = 0; e < COUNT; e += 3)
        data[e] *= 8;
    for (size_t e = 0; e < COUNT; e += 7)
        data[e] = 0;
}

static int near(double got, double want)
{
    return fabs(got - want) <= 1e-9 * fabs(want);
}

/* Norms of shared rows are rounded to binary32. */
static int near32(double got, double want)
{
    return fabs(got - want) <= 1e-6 * fabs(want);
}

static void values(uint32_t isa, spnm_pool *pool)
{
    spnm_options options = common_options(isa, pool);
    spnm_matrix a = common_view(data, ROWS, COLS);
    spnm_rng rng = {5, 6, 7, 8};

    static float pruned[COUNT], turned[COUNT];
    spnm_matrix out = common_view(pruned, ROWS, COLS);
    EXPECT(SPNM_OK, spnm_prune_threshold(&options, &rng, 1.5f, &a, &out));
    size_t wrong = 0, grown = 0;
    for (size_t e = 0; e < COUNT; e++) {
        float x = data[e], y = pruned[e];
        wrong += fabsf(x) >= 1.5f ? y != x : !(y == 0 || y == copysignf(1.5f, x));
        grown += fabsf(x) < 1.5f && y != 0;
    }
    CHECK(wrong == 0 && grown > COUNT / 10);
    /* The transpose in place: the same. */
    memcpy(turned, data, sizeof data);
    spnm_matrix t = common_t(common_view(turned, ROWS, COLS));
    spnm_matrix back = common_t(t);
    EXPECT(SPNM_OK, spnm_prune_threshold(&options, &rng, 1.5f, &back, &back));
    CHECK(memcmp(turned, pruned, sizeof pruned) == 0);

    double sum = 0, squares = 0, energy = 0;
    size_t zeros = 0;
    for (size_t e = 0; e < COUNT; e++) {
        double x = data[e];
        energy += x * x;
        zeros += data[e] == 0;
        if (data[e] != 0)
            sum += log(fabs(x)), squares += log(fabs(x)) * log(fabs(x));
    }
    double mu = sum / (double)(COUNT - zeros);
    spnm_lognormal fit = {sizeof fit, -1, -1, -1};
    EXPECT(SPNM_OK, spnm_lognormal_fit(&options, &a, &fit));
    CHECK(near(fit.mu, mu) && near(fit.zeros, (double)zeros / COUNT));
    CHECK(near(fit.sigma, sqrt(squares / (double)(COUNT - zeros) - mu * mu)));
    float alpha = -1;
    EXPECT(SPNM_OK, spnm_threshold_for_sparsity(&fit, 0.1, &alpha));
    CHECK(alpha == 0);
    EXPECT(SPNM_OK, spnm_threshold_for_sparsity(&fit, 0.8, &alpha));
    CHECK(alpha > 0 && isfinite(alpha));

    /* 1:2: tau = |x| + |y|, so a pair's variance is 2 |x y|, and the lesser is dropped. */
    double variance = 0, dropped = 0, certain = 0;
    for (size_t e = 0; e < COUNT; e += 2) {
        double x = fabs((double)data[e]), y = fabs((double)data[e + 1]), least = x < y ? x : y;
        variance += 2 * x * y;
        dropped += least * least;
        certain += least == 0 && x + y > 0;
    }
    /* Room for a newer library's fields, which come back 0. */
    struct {
        spnm_analysis known;
        double newer;
    } of = {{sizeof of, 0, 0, 0, 0, 0, 0, 0, 0}, 5};
    EXPECT(SPNM_OK, spnm_analyse(&options, 1, 2, 1, &a, &of.known));
    CHECK(near(of.known.energy, energy) && near(of.known.mvue_variance, variance));
    CHECK(near(of.known.greedy_mse, dropped) && near(of.known.greedy_squared_bias, dropped));
    CHECK(near(of.known.greedy_cosine, sqrt(1 - dropped / energy)) && isnan(of.known.mvue_approx_variance));
    CHECK(near(of.known.above_water_level, certain / (COUNT / 2)) && near(of.known.zeros, (double)zeros / COUNT));
    CHECK(of.newer == 0 && of.known.struct_size == sizeof of);

    /* Rows that share indices: a pair of columns of five rows, the last of fewer, counts by its norms. */
    double blocks = 0;
    variance = dropped = certain = 0;
    for (size_t row = 0; row < ROWS; row += 5)
        for (size_t col = 0; col < COLS; col += 2) {
            double x = 0, y = 0;
            for (size_t i = row; i < row + 5 && i < ROWS; i++) {
                x += (double)data[i * COLS + col] * data[i * COLS + col];
                y += (double)data[i * COLS + col + 1] * data[i * COLS + col + 1];
            }
            variance += 2 * sqrt(x * y);
            dropped += x < y ? x : y;
            certain += x * y == 0 && x + y > 0;
            blocks++;
        }
    spnm_analysis shared = {sizeof shared, 0, 0, 0, 0, 0, 0, 0, 0};
    EXPECT(SPNM_OK, spnm_analyse(&options, 1, 2, 5, &a, &shared));
    CHECK(near32(shared.energy, energy) && near32(shared.mvue_variance, variance));
    CHECK(near32(shared.greedy_mse, dropped) && near32(shared.greedy_squared_bias, dropped));
    CHECK(near32(shared.greedy_cosine, sqrt(1 - dropped / energy)));
    CHECK(near(shared.above_water_level, certain / blocks) && near(shared.zeros, (double)zeros / COUNT));
    CHECK(ROWS % 5 != 0 && shared.mvue_variance > of.known.mvue_variance);

    uint32_t n = 0, m = 0;
    EXPECT(SPNM_OK, spnm_recommend(&options, 5, &a, shared.mvue_variance / energy, &n, &m));
    CHECK(n * 2 <= m && n >= 1);
    EXPECT(SPNM_OK, spnm_recommend(&options, 1, &a, 1e9, &n, &m));
    CHECK(n == 1 && m == 16);
    EXPECT(SPNM_OK, spnm_recommend(&options, 1, &a, 0, &n, &m));
    CHECK(n == 1 && m == 1);
}

/* Everything that a call may touch. */
static struct memory {
    float a[64], out[64], alpha;
    spnm_lognormal fit;
    spnm_analysis analysis;
    uint32_t n, m;
} now, then;
static spnm_matrix a, out;
static spnm_options options;
static spnm_rng rng;

static void reset(void)
{
    memset(&now, 0x5A, sizeof now);
    common_fill(now.a, 64, 1);
    now.fit = (spnm_lognormal){sizeof now.fit, 0.5, 1, 0};
    now.analysis.struct_size = sizeof now.analysis;
    a = common_view(now.a, 8, 8);
    out = common_view(now.out, 8, 8);
    options = common_options(SPNM_ISA_AUTO, NULL);
    rng = (spnm_rng){1, 2, 0, 0};
}

#define REFUSED(want, wrong, call)                                                         \
    do {                                                                                   \
        reset();                                                                           \
        wrong;                                                                             \
        then = now;                                                                        \
        EXPECT(want, call);                                                                \
        CHECK(memcmp(&then, &now, sizeof now) == 0);                                       \
    } while (0)

#define THRESHOLD(alpha) spnm_prune_threshold(&options, &rng, alpha, &a, &out)
#define FIT() spnm_lognormal_fit(&options, &a, &now.fit)
#define FOR(sparsity) spnm_threshold_for_sparsity(&now.fit, sparsity, &now.alpha)
#define ANALYSE(n, m, group) spnm_analyse(&options, n, m, group, &a, &now.analysis)
#define RECOMMEND(group, limit) spnm_recommend(&options, group, &a, limit, &now.n, &now.m)

#define EVERY(want, wrong)                                                                 \
    do {                                                                                   \
        REFUSED(want, wrong, THRESHOLD(1));                                                \
        REFUSED(want, wrong, FIT());                                                       \
        REFUSED(want, wrong, ANALYSE(2, 4, 1));                                            \
        REFUSED(want, wrong, RECOMMEND(1, 0.5));                                           \
    } while (0)

static void mistakes(void)
{
    REFUSED(SPNM_E_NULL, (void)0, spnm_prune_threshold(&options, NULL, 1, &a, &out));
    REFUSED(SPNM_E_NULL, (void)0, spnm_prune_threshold(&options, &rng, 1, NULL, &out));
    REFUSED(SPNM_E_NULL, (void)0, spnm_prune_threshold(&options, &rng, 1, &a, NULL));
    REFUSED(SPNM_E_NULL, out.data = NULL, THRESHOLD(1));
    REFUSED(SPNM_E_NULL, (void)0, spnm_lognormal_fit(&options, NULL, &now.fit));
    REFUSED(SPNM_E_NULL, (void)0, spnm_lognormal_fit(&options, &a, NULL));
    REFUSED(SPNM_E_NULL, (void)0, spnm_threshold_for_sparsity(NULL, 0.5, &now.alpha));
    REFUSED(SPNM_E_NULL, (void)0, spnm_threshold_for_sparsity(&now.fit, 0.5, NULL));
    REFUSED(SPNM_E_NULL, (void)0, spnm_analyse(&options, 2, 4, 1, NULL, &now.analysis));
    REFUSED(SPNM_E_NULL, (void)0, spnm_analyse(&options, 2, 4, 1, &a, NULL));
    REFUSED(SPNM_E_NULL, (void)0, spnm_recommend(&options, 1, NULL, 0.5, &now.n, &now.m));
    REFUSED(SPNM_E_NULL, (void)0, spnm_recommend(&options, 1, &a, 0.5, NULL, &now.m));
    REFUSED(SPNM_E_NULL, (void)0, spnm_recommend(&options, 1, &a, 0.5, &now.n, NULL));
    EVERY(SPNM_E_NULL, a.data = NULL);

    EVERY(SPNM_E_STRUCT_SIZE, options.struct_size = 1);
    REFUSED(SPNM_E_STRUCT_SIZE, now.fit.struct_size--, FIT());
    REFUSED(SPNM_E_STRUCT_SIZE, now.fit.struct_size = 1025, FIT());
    REFUSED(SPNM_E_STRUCT_SIZE, now.fit.struct_size = 0, FOR(0.5));
    REFUSED(SPNM_E_STRUCT_SIZE, now.analysis.struct_size = 8, ANALYSE(2, 4, 1));
    EVERY(SPNM_E_OPTION, options.flags = 1);
    EVERY(SPNM_E_OPTION, a.reserved = 1);
    REFUSED(SPNM_E_OPTION, out.reserved = 1, THRESHOLD(1));
    REFUSED(SPNM_E_OPTION, (void)0, THRESHOLD(-1));
    REFUSED(SPNM_E_OPTION, (void)0, THRESHOLD(INFINITY));
    REFUSED(SPNM_E_OPTION, (void)0, THRESHOLD(NAN));
    REFUSED(SPNM_E_OPTION, (void)0, FOR(-0.5));
    REFUSED(SPNM_E_OPTION, (void)0, FOR(1));
    REFUSED(SPNM_E_OPTION, (void)0, FOR(NAN));
    REFUSED(SPNM_E_OPTION, now.fit.mu = NAN, FOR(0.5));
    REFUSED(SPNM_E_OPTION, now.fit.sigma = -1, FOR(0.5));
    REFUSED(SPNM_E_OPTION, now.fit.zeros = 2, FOR(0.5));
    /* What follows `fit` in memory stands for fields of a newer library, which are not 0. */
    REFUSED(SPNM_E_OPTION, now.fit.struct_size += 8, FOR(0.5));
    REFUSED(SPNM_E_OPTION, (void)0, RECOMMEND(1, -1));
    REFUSED(SPNM_E_OPTION, (void)0, RECOMMEND(1, NAN));
    EVERY(SPNM_E_ISA, options.isa = 99);
    REFUSED(SPNM_E_PATTERN, (void)0, ANALYSE(3, 4, 1));
    REFUSED(SPNM_E_PATTERN, (void)0, ANALYSE(2, 4, 0));
    REFUSED(SPNM_E_PATTERN, (void)0, ANALYSE(2, 4, 65));
    REFUSED(SPNM_E_PATTERN, (void)0, RECOMMEND(0, 1));
    REFUSED(SPNM_E_PATTERN, (void)0, RECOMMEND(65, 1));
    EVERY(SPNM_E_DTYPE, a.dtype = SPNM_BF16);
    REFUSED(SPNM_E_DTYPE, out.dtype = SPNM_F16, THRESHOLD(1));

    REFUSED(SPNM_E_SHAPE, out.rows = 7, THRESHOLD(1));
    REFUSED(SPNM_E_SHAPE, out.cols = 7, THRESHOLD(1));
    REFUSED(SPNM_E_STRIDE, out.row_stride = 1, THRESHOLD(1));
    EVERY(SPNM_E_OVERFLOW, a.row_stride = PTRDIFF_MAX);
    REFUSED(SPNM_E_OVERFLOW, rng.row0 = (UINT64_C(1) << 31) - 7, THRESHOLD(1));
    REFUSED(SPNM_E_OVERFLOW, rng.col0 = (UINT64_C(1) << 32) - 7, THRESHOLD(1));
    REFUSED(SPNM_E_OVERLAP, (out.data = now.a + 1, out.cols = a.cols = 7), THRESHOLD(1));
}

int main(void)
{
    spnm_pool *pool = NULL;
    EXPECT(SPNM_OK, spnm_pool_create(3, &pool));
    fill();
    for (uint32_t isa = SPNM_ISA_AUTO; isa <= SPNM_ISA_NEON; isa++) {
        if (spnm_isa_available(isa)) {
            values(isa, NULL);
            values(isa, pool);
        }
    }
    mistakes();
    spnm_pool_free(pool);
    return common_report("tensor");
}
