/* Programs that wait for ever, each in a way of its own: waits MODE [NUMBER]. Prints "ready" once the locks that lead
 * there are held, and ends with the process that started it. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP /* only glibc has those */
#define PTHREAD_MUTEX_ADAPTIVE_NP PTHREAD_MUTEX_NORMAL
#endif

static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER, b = PTHREAD_MUTEX_INITIALIZER;
/* A mutex right behind what is no lock, as in most structures of real programs. */
static struct {
	pthread_cond_t condition;
	pthread_mutex_t mutex;
} pair = { PTHREAD_COND_INITIALIZER, PTHREAD_MUTEX_INITIALIZER };
static struct {
	sem_t semaphore;
	pthread_mutex_t mutex;
} counted;
static pthread_barrier_t barrier;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t both;

static void ready(void)
{
	puts("ready");
	fflush(stdout);
}

static pthread_t start(void *(*run)(void *), void *with)
{
	pthread_t thread;
	if (pthread_create(&thread, NULL, run, with))
		exit(2);
	return thread;
}

/* Sleeps without a futex and without an end. */
static void *stay(void *unused)
{
	for (;;)
		pause();
	return unused;
}

static void *first(void *unused)
{
	pthread_mutex_lock(&a);
	pthread_barrier_wait(&both);
	pthread_mutex_lock(&b);
	return unused;
}

static void *second(void *unused)
{
	pthread_mutex_lock(&b);
	pthread_barrier_wait(&both);
	pthread_mutex_lock(&a);
	return unused;
}

static void *lock(void *mutex)
{
	pthread_mutex_lock(mutex);
	return NULL;
}

static void *lock_then_stay(void *mutex)
{
	pthread_mutex_lock(mutex);
	return stay(NULL);
}

static void nothing(int unused)
{
	(void)unused;
}

static void *lock_in_time(void *mutex)
{
	struct timespec end;
	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += 3600;
	pthread_mutex_timedlock(mutex, &end);
	return NULL;
}

static void *reads(void *unused)
{
	pthread_rwlock_rdlock(&rwlock);
	return unused;
}

static void *writes(void *unused)
{
	pthread_rwlock_wrlock(&rwlock);
	return unused;
}

static void *wait_for_post(void *unused)
{
	sem_wait(&counted.semaphore);
	return unused;
}

static void *wait_for_signal(void *unused)
{
	pthread_mutex_lock(&pair.mutex);
	pthread_cond_wait(&pair.condition, &pair.mutex);
	return unused;
}

static void *wait_at_barrier(void *unused)
{
	pthread_barrier_wait(&barrier);
	return unused;
}

/* A mutex of this type and these attributes, in memory that forked processes share. */
static pthread_mutex_t *made(int type, int robust, int protocol, int shared)
{
	pthread_mutex_t *mutex =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_t attributes;
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_settype(&attributes, type);
	pthread_mutexattr_setrobust(&attributes, robust);
	pthread_mutexattr_setprotocol(&attributes, protocol);
	pthread_mutexattr_setpshared(&attributes, shared);
	if (mutex == MAP_FAILED || pthread_mutex_init(mutex, &attributes))
		exit(2);
	return mutex;
}

/* The main thread holds it, another waits. */
static void held(pthread_mutex_t *mutex, int times)
{
	for (int i = 0; i < times; i++)
		pthread_mutex_lock(mutex);
	start(lock, mutex);
	ready();
	stay(NULL);
}

/* New memory, all zero. */
static uint32_t *page(void)
{
	void *memory =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		exit(2);
	return memory;
}

/* Waits as a mutex does, for ever. */
static void *wait_at(void *words)
{
	for (;;)
		syscall(SYS_futex, words, 128, *(uint32_t *)words, NULL, NULL, 0);
	return NULL;
}

static struct sockaddr_in local(int port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
	inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
	return address;
}

static int listens(void)
{
	struct sockaddr_in own = local(0);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(fd, (struct sockaddr *)&own, sizeof own) || listen(fd, 16))
		exit(2);
	return fd;
}

static int port_of(int fd)
{
	struct sockaddr_in own;
	socklen_t len = sizeof own;
	if (getsockname(fd, (struct sockaddr *)&own, &len))
		exit(2);
	return ntohs(own.sin_port);
}

static int calls(int port)
{
	struct sockaddr_in server = local(port);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(fd, (struct sockaddr *)&server, sizeof server))
		exit(2);
	return fd;
}

/* The loopback device of a new network namespace is down. */
static void up(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	if (ioctl(socket(AF_INET, SOCK_DGRAM, 0), SIOCSIFFLAGS, &request))
		exit(2);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	int number = argc > 2 ? atoi(argv[2]) : 1;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	pthread_barrier_init(&both, NULL, 2);
	if (!strcmp(mode, "abba")) {
		pthread_t one = start(first, NULL);
		start(second, NULL);
		ready();
		pthread_join(one, NULL);
	} else if (!strcmp(mode, "self")) {
		pthread_mutex_lock(&a);
		ready();
		pthread_mutex_lock(&a);
	} else if (!strcmp(mode, "adaptive")) {
		held(made(PTHREAD_MUTEX_ADAPTIVE_NP, 0, 0, 0), 1);
	} else if (!strcmp(mode, "checking")) {
		held(made(PTHREAD_MUTEX_ERRORCHECK, 0, 0, 0), 1);
	} else if (!strcmp(mode, "recursive")) {
		held(made(PTHREAD_MUTEX_RECURSIVE, 0, 0, 0), 3);
	} else if (!strcmp(mode, "robust")) {
		held(made(PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ROBUST, 0, 0), 1);
	} else if (!strcmp(mode, "inherit")) {
		held(made(PTHREAD_MUTEX_NORMAL, 0, PTHREAD_PRIO_INHERIT, 0), 1);
	} else if (!strcmp(mode, "timed")) {
		pthread_mutex_lock(&a);
		start(lock_in_time, &a);
		ready();
		stay(NULL);
	} else if (!strcmp(mode, "writer")) {
		pthread_rwlock_wrlock(&rwlock);
		start(reads, NULL);
		start(writes, NULL);
		ready();
		stay(NULL);
	} else if (!strcmp(mode, "readers")) {
		pthread_rwlock_rdlock(&rwlock);
		start(writes, NULL);
		ready();
		stay(NULL);
	} else if (!strcmp(mode, "condition")) {
		/* The mutex behind it is locked meanwhile, by a thread that sleeps. */
		for (int i = 0; i < number; i++)
			start(wait_for_signal, NULL);
		usleep(100000);
		pthread_mutex_lock(&pair.mutex);
		ready();
		stay(NULL);
	} else if (!strcmp(mode, "semaphore")) {
		sem_init(&counted.semaphore, 0, 0);
		pthread_mutex_init(&counted.mutex, NULL);
		pthread_mutex_lock(&counted.mutex);
		for (int i = 0; i < number; i++)
			start(wait_for_post, NULL);
		ready();
		stay(NULL);
	} else if (!strcmp(mode, "barrier")) {
		pthread_barrier_init(&barrier, NULL, number + 2);
		for (int i = 0; i < number; i++)
			start(wait_at_barrier, NULL);
		ready();
		stay(NULL);
	} else if (!strcmp(mode, "shared")) {
		pthread_mutex_t *mutex = made(PTHREAD_MUTEX_NORMAL, 0, 0, PTHREAD_PROCESS_SHARED);
		pthread_mutex_lock(mutex);
		pid_t child = fork();
		if (!child) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			lock(mutex);
			_exit(0);
		}
		printf("child %d\n", child);
		ready();
		stay(NULL);
	} else if (!strcmp(mode, "join")) {
		pthread_t thread = start(stay, NULL);
		ready();
		pthread_join(thread, NULL);
	} else if (!strcmp(mode, "dead-owner")) {
		/* The owner is gone and has never unlocked it. */
		pthread_join(start(lock, &a), NULL);
		start(lock, &a);
		ready();
		stay(NULL);
	} else if (!strcmp(mode, "threads")) {
		pthread_attr_t attributes;
		pthread_attr_init(&attributes);
		pthread_attr_setstacksize(&attributes, 65536);
		pthread_t thread;
		for (int i = 0; i < number; i++)
			if (pthread_create(&thread, &attributes, stay, NULL))
				exit(2);
		ready();
		stay(NULL);
	} else if (!strcmp(mode, "sleep-then-lock")) {
		/* Until SIGUSR2 comes. */
		signal(SIGUSR2, nothing);
		pthread_mutex_lock(&a);
		start(lock_then_stay, &a);
		ready();
		pause();
		pthread_mutex_unlock(&a);
		stay(NULL);
	} else if (!strcmp(mode, "ask")) {
		char answer[16];
		int fd = calls(number);
		if (write(fd, "?", 1) != 1)
			exit(2);
		ready();
		if (read(fd, answer, sizeof answer) < 0)
			exit(2);
	} else if (!strcmp(mode, "deaf")) {
		printf("port %d\n", port_of(listens()));
		ready();
		stay(NULL);
	} else if (!strcmp(mode, "unmapped")) {
		/* The memory goes away under the thread that waits there. */
		uint32_t *words = page();
		start(wait_at, words);
		usleep(100000);
		munmap(words, 4096);
		ready();
		stay(NULL);
	} else if (!strcmp(mode, "lookalike")) {
		/* As a mutex that the first thread holds: lock, count, owner, users, kind. */
		uint32_t *words = page();
		words[0] = 2;
		words[2] = number > 1 ? (uint32_t)number : (uint32_t)getpid();
		words[3] = 1;
		start(wait_at, words);
		ready();
		stay(NULL);
	} else if (!strcmp(mode, "changing")) {
		/* The same, while what it says changes all the time. */
		uint32_t *words = page();
		words[0] = 2;
		words[3] = 1;
		start(wait_at, words);
		ready();
		for (uint32_t i = 0;; i++) {
			words[2] = i & 1 ? (uint32_t)getpid() : i;
			words[i % 10] ^= i;
			words[i % 10] ^= i;
			usleep(50);
		}
	} else if (!strcmp(mode, "ring")) {
		struct { uint32_t words[30]; } parameters = { 0 };
		if (syscall(SYS_io_uring_setup, 4, &parameters) < 0)
			puts("refused");
		ready();
		stay(NULL);
	} else if (!strcmp(mode, "traced")) {
		pid_t child = fork();
		if (!child) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (ptrace(PTRACE_SEIZE, getppid(), NULL, NULL))
				puts("refused");
			ready();
			stay(NULL);
		}
		stay(NULL);
	} else if (!strcmp(mode, "vfork")) {
		ready();
		if (!vfork()) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;)
				pause();
		}
		stay(NULL);
	} else if (!strcmp(mode, "inside")) {
		/* A process of this one's own pid and network namespaces, with clients waiting. */
		if (unshare(CLONE_NEWPID | CLONE_NEWNET)) {
			puts("refused");
			ready();
			stay(NULL);
		}
		int said[2];
		pid_t child = pipe(said) ? -1 : fork();
		if (child) {
			printf("child %d\n", child);
			fflush(stdout);
			close(said[1]);
			stay(NULL);
		}
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(said[1]);
		if (read(said[0], said, 1))
			exit(2);
		up();
		int fd = listens();
		for (int i = 0; i < 2; i++)
			calls(port_of(fd));
		start(first, NULL);
		start(second, NULL);
		ready();
		stay(NULL);
	} else if (!strcmp(mode, "timer")) {
		struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
		timer_t timer;
		if (timer_create(CLOCK_MONOTONIC, &event, &timer))
			exit(2);
		ready();
		stay(NULL);
	} else if (!strcmp(mode, "alarm")) {
		signal(SIGALRM, SIG_IGN);
		struct sigaction action = { .sa_handler = (void (*)(int))stay };
		sigaction(SIGALRM, &action, NULL);
		ready();
		stay(NULL);
	} else {
		return 2;
	}
	return 0;
}
