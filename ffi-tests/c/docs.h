/* What the examples of README.md, docs/C.md and include/spnm.h take as given: ffi-tests/run.sh compiles each of them
 * in a function behind this, as C and as C++. */
#include <spnm.h>
#include <stdio.h>

extern float *d, *dy, *x, *dw, *weights;
extern size_t tokens, out, in, first_token;
extern uint64_t seed, step;
extern spnm_rng rng;
extern spnm_matrix a, x_t, y_t, dy_t, dx_t;
extern spnm_compressed kept, kept_t;

/* MPI's own header is not needed to compile a call. */
enum { MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD };
#define MPI_IN_PLACE NULL
int MPI_Allreduce(const void *send, void *receive, int count, int type, int operation, int ranks);
