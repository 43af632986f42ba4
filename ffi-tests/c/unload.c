/* dlopen, use, dlclose: the threads of a pool that was just freed still find their code. */
#include "common.h"
#include <dlfcn.h>
#include <unistd.h>

/* Through an integer, as POSIX does: ISO C has no cast from void * to a function. */
#define FIND(type, name) ((type)(uintptr_t)dlsym(library, name))

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    for (int round = 0; round < 3 && argc == 2; round++) {
        void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
        CHECK(library != NULL);
        if (!library) {
            printf("%s\n", dlerror());
            break;
        }
        spnm_pool *pool = NULL;
        CHECK(FIND(spnm_status (*)(size_t, spnm_pool **), "spnm_pool_create")(4, &pool) == SPNM_OK);
        FIND(void (*)(spnm_pool *), "spnm_pool_free")(pool);
        const char *version = FIND(const char *(*)(void), "spnm_version_string")();
        CHECK(dlclose(library) == 0);
        usleep(20000);
        library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
        CHECK(library != NULL); /* it stayed */
        CHECK(*version != 0); /* a static string, still there */
    }
    return common_report("unload");
}
