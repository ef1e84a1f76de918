/* Deadlocks of locks: rings of any length, in every kind of lock that the C library has. */
#include <sys/mman.h>
#include <sys/wait.h>

#include "clinic.h"

/* Thread i holds lock i and wants lock i + 1, the last one the first. */
static struct ring {
	int length;
	pthread_barrier_t barrier;
	pthread_mutex_t mutexes[MOST_THREADS];
	pthread_rwlock_t rwlocks[MOST_THREADS];
	int tids[MOST_THREADS];
	int pids[MOST_THREADS];
} private_ring, *ring = &private_ring;

static void make_mutexes(int type, int protocol, int robust, int shared)
{
	pthread_mutexattr_t attributes;

	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_settype(&attributes, type);
	pthread_mutexattr_setprotocol(&attributes, protocol);
	pthread_mutexattr_setrobust(&attributes, robust);
	pthread_mutexattr_setpshared(&attributes, shared);
	for (int i = 0; i < ring->length; i++)
		must(pthread_mutex_init(&ring->mutexes[i], &attributes) == 0, "pthread_mutex_init");
}

static void *hold_and_want_mutex(void *argument)
{
	int own = (int)(intptr_t)argument;

	ring->tids[own] = thread_id();
	ring->pids[own] = getpid();
	pthread_mutex_lock(&ring->mutexes[own]);
	pthread_barrier_wait(&ring->barrier);
	pthread_mutex_lock(&ring->mutexes[(own + 1) % ring->length]);
	return NULL;
}

static void *hold_and_want_rwlock(void *argument)
{
	int own = (int)(intptr_t)argument;

	ring->tids[own] = thread_id();
	pthread_rwlock_wrlock(&ring->rwlocks[own]);
	pthread_barrier_wait(&ring->barrier);
	pthread_rwlock_wrlock(&ring->rwlocks[(own + 1) % ring->length]);
	return NULL;
}

static void say_ring(const void *locks, size_t size, int known)
{
	char text[2048];
	int used = 0;

	for (int i = 0; i < known; i++) {
		int next = (i + 1) % ring->length;

		used += snprintf(text + used, sizeof(text) - used,
				 "%s{\"tid\":%d,\"lock\":%lu,\"size\":%zu,\"owner\":%d,\"offset\":%zu}",
				 i ? "," : "", ring->tids[i], (unsigned long)((uintptr_t)locks + next * size), size,
				 ring->tids[next], (size_t)((uintptr_t)locks + next * size - (uintptr_t)ring));
	}
	if (ring->pids[0] != ring->pids[1])
		ready("{\"pids\":[%d,%d],\"waits\":[%s]}", ring->pids[0], ring->pids[1], text);
	else
		ready("{\"waits\":[%s]}", text);
}

static void close_ring(void *(*run)(void *), const void *locks, size_t size, int known)
{
	pthread_t threads[MOST_THREADS];

	pthread_barrier_init(&ring->barrier, NULL, ring->length + 1);
	for (int i = 0; i < ring->length; i++)
		start(&threads[i], run, (void *)(intptr_t)i);
	pthread_barrier_wait(&ring->barrier);
	say_ring(locks, size, known);
	pthread_join(threads[0], NULL);
}

static void close_mutex_ring(int length, int type, int protocol, int robust)
{
	ring->length = length;
	make_mutexes(type, protocol, robust, PTHREAD_PROCESS_PRIVATE);
	close_ring(hold_and_want_mutex, ring->mutexes, sizeof(ring->mutexes[0]), length);
}

static void abba(char **arguments)
{
	(void)arguments;
	close_mutex_ring(2, PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_NONE, PTHREAD_MUTEX_STALLED);
}

static void cycle(char **arguments)
{
	int length = arguments[0] ? atoi(arguments[0]) : 3;

	must(length >= 2 && length <= MOST_THREADS, "length");
	close_mutex_ring(length, PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_NONE, PTHREAD_MUTEX_STALLED);
}

static void recursive(char **arguments)
{
	(void)arguments;
	close_mutex_ring(2, PTHREAD_MUTEX_RECURSIVE, PTHREAD_PRIO_NONE, PTHREAD_MUTEX_STALLED);
}

static void robust(char **arguments)
{
	(void)arguments;
	close_mutex_ring(2, PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_NONE, PTHREAD_MUTEX_ROBUST);
}

/*
 * The kernel refuses to close a ring of these: whoever comes last gets EDEADLK, and the C library then parks that thread
 * for ever on a word of its own stack. Which one is last is not known, so the truth names no wait.
 */
static void inherit(char **arguments)
{
	(void)arguments;
	ring->length = 2;
	make_mutexes(PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_INHERIT, PTHREAD_MUTEX_STALLED,
		     PTHREAD_PROCESS_PRIVATE);
	close_ring(hold_and_want_mutex, ring->mutexes, sizeof(ring->mutexes[0]), 0);
}

static void rwlock(char **arguments)
{
	(void)arguments;
	ring->length = 2;
	for (int i = 0; i < ring->length; i++)
		pthread_rwlock_init(&ring->rwlocks[i], NULL);
	close_ring(hold_and_want_rwlock, ring->rwlocks, sizeof(ring->rwlocks[0]), 2);
}

/* A reader that wants to write waits for itself. A lock held by readers names no owner. */
static void upgrade(char **arguments)
{
	(void)arguments;
	pthread_rwlock_init(&ring->rwlocks[0], NULL);
	pthread_rwlock_rdlock(&ring->rwlocks[0]);
	ready("{\"blocked\":[%d]}", thread_id());
	pthread_rwlock_wrlock(&ring->rwlocks[0]);
}

static void relock(char **arguments)
{
	(void)arguments;
	ring->length = 1;
	make_mutexes(PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_NONE, PTHREAD_MUTEX_STALLED, PTHREAD_PROCESS_PRIVATE);
	ring->tids[0] = thread_id();
	pthread_mutex_lock(&ring->mutexes[0]);
	say_ring(ring->mutexes, sizeof(ring->mutexes[0]), 1);
	pthread_mutex_lock(&ring->mutexes[0]);
}

/* Two processes with one thread each, and the locks in memory that they share. */
static void shared(char **arguments)
{
	pthread_barrierattr_t attributes;

	(void)arguments;
	ring = mmap(NULL, sizeof(*ring), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(ring != MAP_FAILED, "mmap");
	ring->length = 2;
	make_mutexes(PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_NONE, PTHREAD_MUTEX_STALLED, PTHREAD_PROCESS_SHARED);
	pthread_barrierattr_init(&attributes);
	pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&ring->barrier, &attributes, 2);

	pid_t parent = getpid(), child = fork();

	must(child >= 0, "fork");
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			exit(1);
		hold_and_want_mutex((void *)1);
		return;
	}
	ring->tids[0] = ring->pids[0] = getpid();
	pthread_mutex_lock(&ring->mutexes[0]);
	pthread_barrier_wait(&ring->barrier);
	say_ring(ring->mutexes, sizeof(ring->mutexes[0]), 2);
	pthread_mutex_lock(&ring->mutexes[1]);
}

int main(int count, char **arguments)
{
	static const struct mode modes[] = {
		{ "abba", abba }, { "cycle", cycle }, { "recursive", recursive }, { "robust", robust },
		{ "inherit", inherit }, { "rwlock", rwlock }, { "upgrade", upgrade }, { "relock", relock },
		{ "shared", shared },
	};

	(void)count;
	return DISPATCH(modes, arguments);
}
