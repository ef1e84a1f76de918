/* Threads that run and get nowhere, one that gets somewhere, and waits that no signal ends. */
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "clinic.h"

static atomic_flag taken = ATOMIC_FLAG_INIT;

/* Whoever held it forgot to let go. */
static void spin_lock(char **arguments)
{
	(void)arguments;
	atomic_flag_test_and_set(&taken);
	ready("{}");
	while (atomic_flag_test_and_set_explicit(&taken, memory_order_acquire))
		;
}

static void yield_spin(char **arguments)
{
	(void)arguments;
	atomic_flag_test_and_set(&taken);
	ready("{}");
	while (atomic_flag_test_and_set_explicit(&taken, memory_order_acquire))
		sched_yield();
}

/* Counts primes; as busy as a spin lock, but it gets on. */
static void compute(char **arguments)
{
	volatile uint64_t primes = 0;

	(void)arguments;
	ready("{}");
	for (uint64_t number = 3;; number += 2) {
		uint64_t divisor = 3;

		while (divisor * divisor <= number && number % divisor)
			divisor += 2;
		if (divisor * divisor > number)
			primes++;
	}
}

/* The parent of a vfork sleeps in state D until the child calls exec or ends; this child only waits. */
static void vfork_parent(char **arguments)
{
	(void)arguments;
	ready("{}");
	if (vfork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
}

/* Writes to a file until the file system under it is frozen, and then waits in the kernel. */
static void writer(char **arguments)
{
	int fd = open(arguments[0] ? arguments[0] : "", O_WRONLY | O_CREAT | O_TRUNC, 0600);

	must(fd >= 0, "open");
	ready("{}");
	for (;;) {
		must(pwrite(fd, "x", 1, 0) == 1, "pwrite");
		sleep_ms(20);
	}
}

int main(int count, char **arguments)
{
	static const struct mode modes[] = {
		{ "spin-lock", spin_lock }, { "yield-spin", yield_spin }, { "compute", compute },
		{ "vfork-parent", vfork_parent }, { "writer", writer },
	};

	(void)count;
	return DISPATCH(modes, arguments);
}
