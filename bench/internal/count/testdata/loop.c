// An operation of eight stores, in a function that counts alone, or with all of the program
// if it is compiled with -DINLINED.
#include <stdlib.h>

static volatile long word;

#ifdef INLINED
static inline __attribute__((always_inline))
#else
__attribute__((noinline))
#endif
void counted_loop(long n)
{
	for (long i = 0; i < n; i++)
		for (int j = 0; j < 8; j++)
			word = j;
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 1;
	counted_loop(atol(argv[2]));
	return 0;
}
