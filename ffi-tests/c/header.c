/* The header alone: nothing may have to be included before it. */
#include <spnm.h>
int header_alone(void);
int header_alone(void) { return SPNM_OK; }
