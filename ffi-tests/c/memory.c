/* Memory that cannot be had is an error, not an abort: the address space of this process is closed first. */
#include "common.h"
#include <sys/resource.h>

int main(void)
{
    enum { ROWS = 512, INNER = 512, COLS = 512 };
    static float a[ROWS * INNER], b[INNER * COLS], c[ROWS * COLS];
    common_fill(a, ROWS * INNER, 1);
    common_fill(b, INNER * COLS, 2);
    spnm_matrix av = common_view(a, ROWS, INNER), bv = common_view(b, INNER, COLS), cv = common_view(c, ROWS, COLS);
    spnm_rng rng = {1, 2, 0, 0};
    CHECK(spnm_isa_effective() != 0);
    /* The first call makes what is made once, and leaves little working memory behind. */
    spnm_matrix a1 = common_view(a, 4, 16), b1 = common_view(b, 16, 8), c1 = common_view(c, 4, 8);
    EXPECT(SPNM_OK, spnm_prune_gemm(NULL, SPNM_MVUE, &rng, 2, 4, 1, 1, &a1, &b1, 0, &c1));
    for (int i = 0; i < ROWS * COLS; i++)
        c[i] = 9;

    /* What the allocator holds already, taken: no block of working memory is left, but smaller ones are:
     * starting a thread takes some before it takes a stack. */
    void *small = common_alloc(48 * 1024);
    struct rlimit closed = {1, 1};
    CHECK(setrlimit(RLIMIT_AS, &closed) == 0);
    for (size_t size = 1 << 20; size >= 65536; size /= 2)
        while (malloc(size))
            ;
    free(small);
    spnm_pool *pool = NULL;
    EXPECT(SPNM_E_MEMORY, spnm_prune_gemm(NULL, SPNM_MVUE, &rng, 2, 4, 1, 1, &av, &bv, 0, &cv));
    int written = 0;
    for (int i = 0; i < ROWS * COLS; i++)
        written += c[i] != 9;
    CHECK(written == 0);
    EXPECT(SPNM_E_MEMORY, spnm_pool_create(2, &pool));
    CHECK(pool == NULL);
    return common_report("memory");
}
