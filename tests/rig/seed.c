/* Bodies of seed.h. */
#include "seed.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

uint64_t
rig_seed(void)
{
    const char *given = getenv("TB_SEED");
    uint64_t    seed = 0;

    if (given != NULL)
        seed = strtoull(given, NULL, 0);
    else if (getrandom(&seed, sizeof seed, 0) != sizeof seed)
        abort();
    printf("# TB_SEED=%" PRIu64 " repeats this run\n", seed);
    fprintf(stderr, "# TB_SEED=%" PRIu64 "\n", seed);     /* the log of the test is what is left of a run that failed */
    return seed;
}

unsigned
rig_rounds(unsigned in_short, unsigned in_long)
{
    const char *wanted = getenv("TB_LONG");
    return wanted != NULL && wanted[0] == '1' ? in_long : in_short;
}
