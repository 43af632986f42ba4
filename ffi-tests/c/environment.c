/* The caller's rounding, flush-to-zero and sticky flags change nothing, and come back as they were. */
#include "common.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
typedef unsigned control;
static control get(void) { return _mm_getcsr(); }
static void set(control c) { _mm_setcsr(c); }
/* Rounding x4 with FTZ and DAZ on and off; some flags raised; exceptions masked, or (the last) division
 * by zero, overflow and invalid unmasked, which would end the program with SIGFPE. */
static const control settings[] = {0x1F80, 0x3F80, 0x5F80, 0x7F80, 0x9FC0, 0xBFC0, 0xDFC5, 0xFFFF, 0xF170};
#elif defined(__aarch64__)
typedef uint64_t control; /* FPCR, and above it FPSR, the sticky flags */
static control get(void)
{
    control fpcr, fpsr;
    __asm__ volatile("mrs %0, fpcr\n mrs %1, fpsr" : "=r"(fpcr), "=r"(fpsr));
    return fpcr | fpsr << 32;
}
static void set(control c) { __asm__ volatile("msr fpcr, %0\n msr fpsr, %1" : : "r"(c & UINT32_MAX), "r"(c >> 32)); }
/* RMode x4, FZ, DN; no flag raised, one, all. */
static const control settings[] = {0, 1u << 22, 2u << 22, 3u << 22 | (control)0x10 << 32, 1u << 24,
                                   1u << 24 | 3u << 22, 1u << 25 | (control)0x9F << 32};
#else
#error "no control register known for this architecture"
#endif

enum { ROWS = 40, INNER = 96, COLS = 24 };

static struct results {
    float values[ROWS * INNER / 2], c[ROWS * COLS], fused[ROWS * COLS], dense[ROWS * INNER], decompressed[ROWS * INNER];
    float masked[ROWS * INNER / 2], turned[ROWS * INNER / 2], tiles[ROWS * INNER], thinned[ROWS * INNER], alpha;
    uint32_t n, m;
    uint8_t meta[ROWS * INNER / 8], masked_meta[ROWS * INNER / 8], turned_meta[ROWS * INNER / 8];
    double scale;
    spnm_lognormal fit;
    spnm_analysis analysis;
} first, again;

/* Runs every computing function under a setting; the setting that it finds afterwards. */
static control run(control setting, spnm_pool *pool, uint32_t isa, struct results *r)
{
    static float a[ROWS * INNER], b[INNER * COLS];
    common_fill(a, ROWS * INNER, 5);
    common_fill(b, INNER * COLS, 6);
    /* Subnormals in A, in B, and in products; an overflow, which raises a flag or traps. */
    for (int i = 0; i < ROWS * INNER; i++)
        a[i] *= i / INNER % 3 == 0 ? 0x1p-130f : 1;
    for (int i = 0; i < INNER * COLS; i += 5)
        b[i] *= 0x1p-126f;
    a[7] = 0x1.8p126f;
    b[1] = 0x1p127f;
    memset(r, 0x5A, sizeof *r);
    r->fit.struct_size = sizeof r->fit;
    r->analysis.struct_size = sizeof r->analysis;
    spnm_options options = common_options(isa, pool);
    spnm_rng rng = {3, 4, 0, 0};
    spnm_matrix av = common_view(a, ROWS, INNER), bv = common_view(b, INNER, COLS);
    spnm_matrix cv = common_view(r->c, ROWS, COLS), fused = common_view(r->fused, ROWS, COLS);
    spnm_matrix dense = common_view(r->dense, ROWS, INNER), back = common_view(r->decompressed, ROWS, INNER);
    spnm_matrix tiles = common_view(r->tiles, ROWS, INNER), thinned = common_view(r->thinned, ROWS, INNER);
    spnm_compressed kept = {r->values, r->meta, ROWS, INNER, INNER / 2, INNER / 8, 2, 4, SPNM_F32, 1};
    spnm_compressed masked = {r->masked, r->masked_meta, ROWS, INNER, INNER / 2, INNER / 8, 2, 4, SPNM_F32, 1};
    spnm_compressed turned = {r->turned, r->turned_meta, INNER, ROWS, ROWS / 2, ROWS / 8, 2, 4, SPNM_F32, 1};
    spnm_status status[13];
    control before = get();
    set(setting);
    status[0] = spnm_compress(&options, SPNM_MVUE, &rng, &av, &kept);
    status[1] = spnm_decompress(&options, &kept, &back);
    status[2] = spnm_prune(&options, SPNM_MVUE, &rng, 2, 4, 1, &av, &dense);
    status[3] = spnm_gemm(&options, 0.3f, &kept, &bv, 0, &cv);
    status[4] = spnm_prune_gemm(&options, SPNM_MVUE, &rng, 2, 4, 1, 0.3f, &av, &bv, 0, &fused);
    status[5] = spnm_compress_transposable(&options, &av, &masked, &turned);
    status[6] = spnm_prune_transposable(&options, &av, &tiles);
    status[7] = spnm_soft_threshold_scale(&options, 2, 4, &av, &r->scale);
    status[8] = spnm_lognormal_fit(&options, &av, &r->fit);
    status[9] = spnm_threshold_for_sparsity(&r->fit, 0.85, &r->alpha);
    status[10] = spnm_prune_threshold(&options, &rng, r->alpha, &av, &thinned);
    status[11] = spnm_analyse(&options, 2, 4, 1, &av, &r->analysis);
    status[12] = spnm_recommend(&options, 1, &av, 0.5, &r->n, &r->m);
    control after = get();
    set(before);
    for (int i = 0; i < 13; i++)
        CHECK(status[i] == SPNM_OK);
    return after;
}

int main(void)
{
    CHECK(run(settings[0], NULL, SPNM_ISA_AUTO, &first) == settings[0]);
    CHECK(memcmp(first.c, first.fused, sizeof first.c) == 0);
    CHECK(memcmp(first.dense, first.decompressed, sizeof first.dense) == 0);
    int subnormal = 0;
    for (int i = 0; i < ROWS * INNER / 2; i++)
        subnormal += first.values[i] != 0 && first.values[i] < 0x1p-126f && first.values[i] > -0x1p-126f;
    CHECK(subnormal > 0 && first.alpha > 0); /* so that flushing would show, and thresholds prune */

    for (size_t s = 0; s < sizeof settings / sizeof *settings; s++) {
        for (uint32_t isa = SPNM_ISA_AUTO; isa <= SPNM_ISA_NEON; isa++) {
            if (!spnm_isa_available(isa))
                continue;
            CHECK(run(settings[s], NULL, isa, &again) == settings[s]);
            CHECK(memcmp(&first, &again, sizeof first) == 0);
        }
        /* Threads inherit the environment of the thread that starts them. */
        control before = get();
        set(settings[s]);
        spnm_pool *pool = NULL;
        spnm_status status = spnm_pool_create(3, &pool);
        control after = get();
        set(before);
        CHECK(status == SPNM_OK);
        CHECK(after == settings[s]);
        CHECK(run(settings[s], pool, SPNM_ISA_AUTO, &again) == settings[s]);
        CHECK(memcmp(&first, &again, sizeof first) == 0);
        spnm_pool_free(pool);
    }
    return common_report("environment");
}
