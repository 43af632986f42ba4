/* Beyond one machine: the tokens of a batch are sharded over the ranks. Each rank prunes its shard of dY^T,
 * multiplies it with its shard of X, and the partial weight gradients are summed:
 *
 *     dW = sum over ranks of pruned(dY_r^T) . X_r
 *
 * A shard that says where it begins (col0) is pruned to the bits that the whole matrix is pruned to,
 * whatever the number of ranks. The sum agrees with the one-process product to rounding. */
#include <math.h>
#include <mpi.h>
#include <spnm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OUT = 48, IN = 40, M = 4, N = 2, GROUPS = 151, TOKENS = GROUPS * M - 1 };

static float d[TOKENS * OUT], x[TOKENS * IN];           /* the whole batch, for the comparison */
static float whole[OUT * TOKENS], mine[OUT * TOKENS];   /* pruned dY^T, [OUT][tokens] */
static float partial[OUT * IN], sum[OUT * IN], alone[OUT * IN];

static spnm_matrix view(float *data, size_t rows, size_t cols, ptrdiff_t rs, ptrdiff_t cs)
{
    spnm_matrix v = {data, rows, cols, rs, cs, SPNM_F32, 0};
    return v;
}

static void must(spnm_status status, const char *what)
{
    if (status != SPNM_OK) {
        fprintf(stderr, "%s: %s\n", what, spnm_status_message(status));
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
}

int main(int argc, char **argv)
{
    int rank, ranks;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    uint32_t state = 1;
    for (size_t i = 0; i < sizeof d / sizeof *d; i++)
        d[i] = (float)((state = state * 1664525u + 1013904223u) >> 8) * 0x1p-23f - 1;
    for (size_t i = 0; i < sizeof x / sizeof *x; i++)
        x[i] = (float)((state = state * 1664525u + 1013904223u) >> 8) * 0x1p-23f - 1;

    /* This rank's tokens: whole groups, the last rank's last group may be short. */
    size_t first = (size_t)(GROUPS * rank / ranks) * M, last = (size_t)(GROUPS * (rank + 1) / ranks) * M;
    if (last > TOKENS)
        last = TOKENS;
    size_t tokens = last - first;

    /* The pattern: seed and stream are those of the experiment and of the step, col0 is the rank's own. */
    spnm_rng rng = {2024, 7, 0, first};
    spnm_matrix a = view(d + first * OUT, OUT, tokens, 1, OUT); /* dY^T by strides */
    spnm_matrix b = view(x + first * IN, tokens, IN, IN, 1);
    spnm_matrix c = view(partial, OUT, IN, IN, 1);
    must(spnm_prune_gemm(NULL, SPNM_MVUE, &rng, N, M, 1, 1, &a, &b, 0, &c), "prune_gemm");
    MPI_Allreduce(partial, sum, OUT * IN, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);

    /* The comparison: the whole batch in one process. */
    int wrong = 0;
    spnm_rng all = {2024, 7, 0, 0};
    spnm_matrix aw = view(d, OUT, TOKENS, 1, OUT), bw = view(x, TOKENS, IN, IN, 1);
    spnm_matrix cw = view(alone, OUT, IN, IN, 1), pw = view(whole, OUT, TOKENS, TOKENS, 1);
    spnm_matrix pm = view(mine + first, OUT, tokens, TOKENS, 1);
    must(spnm_prune(NULL, SPNM_MVUE, &all, N, M, 1, &aw, &pw), "prune the whole");
    must(spnm_prune(NULL, SPNM_MVUE, &rng, N, M, 1, &a, &pm), "prune the shard");
    must(spnm_prune_gemm(NULL, SPNM_MVUE, &all, N, M, 1, 1, &aw, &bw, 0, &cw), "the whole");
    for (size_t i = 0; i < OUT; i++)
        wrong += memcmp(whole + i * TOKENS + first, mine + i * TOKENS + first, tokens * sizeof(float)) != 0;
    double worst = 0;
    for (int i = 0; i < OUT * IN; i++)
        worst = fmax(worst, fabs((double)sum[i] - (double)alone[i]));
    /* |error| <= terms * 2^-24 * sum of |terms|: 604 terms of magnitude below 4. */
    wrong += !(worst <= TOKENS * 0x1p-24 * TOKENS * 4);

    int total = 0;
    MPI_Reduce(&wrong, &total, 1, MPI_INT, MPI_SUM, 0, MPI_COMM_WORLD);
    if (rank == 0)
        printf("mpi        %d ranks: pruned shards %s the whole's bits, largest difference of the sum %.2g, %d wrong\n",
               ranks, total ? "differ from" : "have", worst, total);
    MPI_Bcast(&total, 1, MPI_INT, 0, MPI_COMM_WORLD);
    MPI_Finalize();
    return total != 0;
}
