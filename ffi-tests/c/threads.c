/* Eight calling threads at once, alone and on shared pools of 1, 2, 3 and 7: the same bits. Children forked while they
 * call, and after: a pool of the parent works there, and can be freed. */
#include "common.h"
#include <pthread.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROWS = 150, INNER = 200, COLS = 70, CALLERS = 8, FORKS = 20 };

static float a[ROWS * INNER], b[INNER * COLS], want[ROWS * COLS], want_dense[ROWS * INNER];

static int rounds = 5;

struct caller {
    spnm_pool *pool;
    float c[ROWS * COLS], dense[ROWS * INNER];
    int wrong;
};

static void product(spnm_pool *pool, float *c, float *dense, int *wrong)
{
    spnm_options options = common_options(SPNM_ISA_AUTO, pool);
    spnm_rng rng = {11, 12, 0, 0};
    spnm_matrix av = common_view(a, ROWS, INNER), bv = common_view(b, INNER, COLS);
    spnm_matrix cv = common_view(c, ROWS, COLS), dv = common_view(dense, ROWS, INNER);
    spnm_compressed kept = common_compressed(ROWS, INNER, 2, 4);
    *wrong += spnm_compress(&options, SPNM_MVUE, &rng, &av, &kept) != SPNM_OK;
    *wrong += spnm_decompress(&options, &kept, &dv) != SPNM_OK;
    *wrong += spnm_gemm(&options, 1, &kept, &bv, 0, &cv) != SPNM_OK;
    if (c != want) {
        *wrong += memcmp(c, want, sizeof want) != 0;
        *wrong += memcmp(dense, want_dense, sizeof want_dense) != 0;
        memset(c, 0, sizeof want);
        *wrong += spnm_prune_gemm(&options, SPNM_MVUE, &rng, 2, 4, 1, 1, &av, &bv, 0, &cv) != SPNM_OK;
        *wrong += memcmp(c, want, sizeof want) != 0;
    }
    free(kept.values);
    free(kept.meta);
}

static void *calls(void *argument)
{
    struct caller *me = argument;
    for (int i = 0; i < rounds; i++)
        product(me->pool, me->c, me->dense, &me->wrong);
    return NULL;
}

static void forked(spnm_pool *pool);

/* Many callers of one pool; meanwhile so many children are forked. */
static void at_once(spnm_pool *pool, int forks)
{
    pthread_t threads[CALLERS];
    struct caller *callers = common_alloc(CALLERS * sizeof *callers);
    for (int i = 0; i < CALLERS; i++) {
        callers[i].pool = pool;
        callers[i].wrong = 0;
        CHECK(pthread_create(&threads[i], NULL, calls, &callers[i]) == 0);
    }
    for (int i = 0; i < forks; i++)
        forked(pool);
    for (int i = 0; i < CALLERS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
        CHECK(callers[i].wrong == 0);
    }
    free(callers);
}

/* In a child: with the parent's pool, with none, and with one of its own. */
static void forked(spnm_pool *pool)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        alarm(120); /* a deadlock must not stop the tests */
        static float c[ROWS * COLS], dense[ROWS * INNER];
        int wrong = 0;
        product(pool, c, dense, &wrong);
        product(NULL, c, dense, &wrong);
        spnm_pool *own = NULL;
        wrong += spnm_pool_create(3, &own) != SPNM_OK;
        product(own, c, dense, &wrong);
        spnm_pool_free(own);
        spnm_pool_free(pool);
        _exit(wrong ? 1 : 0);
    }
    int status = -1;
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(int argc, char **argv)
{
    /* An emulator may not survive a fork of a process with threads; nor may AddressSanitizer's allocator, whose locks other
     * threads may hold, while they call. valgrind needs a minute for all rounds. */
    const char *how = argc < 2 ? "" : argv[1];
    int forks = strcmp(how, "nofork") != 0;
    if (!forks)
        printf("           (no fork here)\n");
    int under_way = !forks || strcmp(how, "idle") == 0 ? 0 : FORKS;
    if (forks && !under_way)
        printf("           (no fork while others call here)\n");
    if (strcmp(how, "once") == 0)
        rounds = under_way = 1;

    int wrong = 0;
    common_fill(a, ROWS * INNER, 8);
    common_fill(b, INNER * COLS, 9);
    product(NULL, want, want_dense, &wrong);
    CHECK(wrong == 0);
    at_once(NULL, under_way);
    static const size_t sizes[] = {1, 2, 3, 7};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        spnm_pool *pool = NULL;
        EXPECT(SPNM_OK, spnm_pool_create(sizes[i], &pool));
        at_once(pool, under_way);
        if (forks)
            forked(pool);
        at_once(pool, 0); /* the parent's pool is as it was */
        spnm_pool_free(pool);
    }
    return common_report("threads");
}
