/*
 * What the programs of the clinic share.
 *
 * Each program is a case whose truth is known: it gets itself into its condition without racing, says `READY` with what
 * only it can know (thread ids, addresses of locks, a port) as JSON, and stays. It ends with whoever started it; no
 * alarm bounds it, for an armed timer could wake a thread and would change the case.
 */
#ifndef CLINIC_H
#define CLINIC_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MOST_THREADS 16

struct mode {
	const char *name;
	void (*run)(char **arguments);
};

static inline int thread_id(void)
{
	return (int)syscall(SYS_gettid);
}

/* A wrong step here would make a case that is not what its label says. */
static inline void must(int good, const char *what)
{
	if (good)
		return;
	perror(what);
	exit(1);
}

static inline void start(pthread_t *thread, void *(*run)(void *), void *argument)
{
	must(pthread_create(thread, NULL, run, argument) == 0, "pthread_create");
}

__attribute__((format(printf, 1, 2))) static inline void ready(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	printf("READY ");
	vprintf(format, arguments);
	printf("\n");
	fflush(stdout);
	va_end(arguments);
}

static inline void sleep_ms(long ms)
{
	struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&time, NULL);
}

/* A socket that listens on a free port of the loopback. */
static inline int listen_on_loopback(int backlog, int *port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	must(fd >= 0, "socket");
	must(bind(fd, (struct sockaddr *)&address, length) == 0, "bind");
	must(listen(fd, backlog) == 0, "listen");
	must(getsockname(fd, (struct sockaddr *)&address, &length) == 0, "getsockname");
	*port = ntohs(address.sin_port);
	return fd;
}

/* Runs the mode that the first argument names, under that name. */
static inline int dispatch(const struct mode *modes, int count, char **arguments)
{
	for (int i = 0; arguments[1] && i < count; i++) {
		if (strcmp(modes[i].name, arguments[1]) == 0) {
			prctl(PR_SET_NAME, modes[i].name);
			modes[i].run(arguments + 2);
			return 0;
		}
	}
	for (int i = 0; i < count; i++)
		fprintf(stderr, "%s %s\n", arguments[0], modes[i].name);
	return 2;
}

#define DISPATCH(modes, arguments) dispatch(modes, sizeof(modes) / sizeof(modes[0]), arguments)

#endif
