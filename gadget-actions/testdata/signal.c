/* A thread that waits in a signal handler. */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

__attribute__((noinline)) static void handler(int signal)
{
	(void)signal;
	puts("ready");
	fflush(stdout);
	for (;;)
		pause();
}

__attribute__((noinline)) static int interrupted(void)
{
	return raise(SIGUSR1) + 1;
}

int main(void)
{
	signal(SIGUSR1, handler);
	return interrupted() + 1;
}
