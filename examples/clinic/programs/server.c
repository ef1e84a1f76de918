/* Servers: idle, busy, deadlocked behind a port that answers, deadlocked while clients queue; and a client. */
#include "clinic.h"

static pthread_mutex_t mutexes[2] = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER };
static pthread_mutex_t jobs_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t jobs = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static int listener;
static int tids[MOST_THREADS];

/* One request, one answer. */
static void answer(int client)
{
	char request[512];

	if (read(client, request, sizeof(request)) > 0 && write(client, "ok\n", 3) != 3)
		perror("write");
	close(client);
}

static void answer_for_ever(void)
{
	for (;;) {
		int client = accept(listener, NULL, NULL);

		must(client >= 0, "accept");
		answer(client);
	}
}

/* Once both workers have said who they are. */
static void say_abba(int port)
{
	while (!__atomic_load_n(&tids[0], __ATOMIC_ACQUIRE) || !__atomic_load_n(&tids[1], __ATOMIC_ACQUIRE))
		sleep_ms(1);

	unsigned long locks[] = { (uintptr_t)&mutexes[0], (uintptr_t)&mutexes[1] };

	ready("{\"port\":%d,\"waits\":[{\"tid\":%d,\"lock\":%lu,\"size\":%zu,\"owner\":%d},"
	      "{\"tid\":%d,\"lock\":%lu,\"size\":%zu,\"owner\":%d}]}",
	      port, tids[0], locks[1], sizeof(mutexes[0]), tids[1], tids[1], locks[0], sizeof(mutexes[0]),
	      tids[0]);
}

static void lock_both(int own)
{
	pthread_mutex_lock(&mutexes[own]);
	pthread_barrier_wait(&barrier);
	pthread_mutex_lock(&mutexes[1 - own]);
}

/* A worker: accepts by itself, and takes the two locks in its own order to answer. */
static void *accept_and_lock(void *argument)
{
	int own = (int)(intptr_t)argument;

	__atomic_store_n(&tids[own], thread_id(), __ATOMIC_RELEASE);
	answer(accept(listener, NULL, NULL));
	lock_both(own);
	return NULL;
}

/* Answers its first two clients, deadlocks after that, and lets all others queue. */
static void abba_server(char **arguments)
{
	pthread_t threads[2];
	int port;

	(void)arguments;
	listener = listen_on_loopback(64, &port);
	pthread_barrier_init(&barrier, NULL, 2);
	for (intptr_t i = 0; i < 2; i++)
		start(&threads[i], accept_and_lock, (void *)i);
	say_abba(port);
	pthread_join(threads[0], NULL);
}

static void *only_lock(void *argument)
{
	int own = (int)(intptr_t)argument;

	__atomic_store_n(&tids[own], thread_id(), __ATOMIC_RELEASE);
	lock_both(own);
	return NULL;
}

/* Two workers are deadlocked, and the port answers as if nothing were wrong. */
static void behind_port(char **arguments)
{
	pthread_t threads[2];
	int port;

	(void)arguments;
	listener = listen_on_loopback(64, &port);
	pthread_barrier_init(&barrier, NULL, 2);
	for (intptr_t i = 0; i < 2; i++)
		start(&threads[i], only_lock, (void *)i);
	say_abba(port);
	answer_for_ever();
}

static void say_port(int port)
{
	ready("{\"port\":%d}", port);
}

/* Idle without clients, busy with them. */
static void serve(char **arguments)
{
	int port;

	(void)arguments;
	listener = listen_on_loopback(64, &port);
	say_port(port);
	answer_for_ever();
}

static void *wait_for_jobs(void *argument)
{
	(void)argument;
	pthread_mutex_lock(&jobs_lock);
	for (;;)
		pthread_cond_wait(&jobs, &jobs_lock);
	return NULL;
}

/* Four workers wait for jobs, one thread for clients. */
static void idle_pool(char **arguments)
{
	pthread_t thread;
	int port;

	(void)arguments;
	listener = listen_on_loopback(64, &port);
	for (int i = 0; i < 4; i++)
		start(&thread, wait_for_jobs, NULL);
	say_port(port);
	answer_for_ever();
}

/* The first request is never done with; one thread does everything, so all others queue. */
static void spin_server(char **arguments)
{
	volatile int on = 1;
	int port;

	(void)arguments;
	listener = listen_on_loopback(64, &port);
	say_port(port);
	answer(accept(listener, NULL, NULL));
	while (on)
		;
}

/* Takes its lock twice over the first request. */
static void relock_server(char **arguments)
{
	int port;

	(void)arguments;
	listener = listen_on_loopback(64, &port);
	tids[0] = thread_id();
	ready("{\"port\":%d,\"waits\":[{\"tid\":%d,\"lock\":%lu,\"size\":%zu,\"owner\":%d}]}", port, tids[0],
	      (unsigned long)(uintptr_t)&mutexes[0], sizeof(mutexes[0]), tids[0]);
	answer(accept(listener, NULL, NULL));
	pthread_mutex_lock(&mutexes[0]);
	pthread_mutex_lock(&mutexes[0]);
}

/* Asks a server that never answers, without a timeout. */
static void client(char **arguments)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	char reply[64];

	address.sin_port = htons(arguments[0] ? atoi(arguments[0]) : 0);
	must(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0, "connect");
	must(write(fd, "GET\n", 4) == 4, "write");
	ready("{\"blocked\":[%d]}", thread_id());
	must(read(fd, reply, sizeof(reply)) >= 0, "read");
}

int main(int count, char **arguments)
{
	static const struct mode modes[] = {
		{ "abba-server", abba_server }, { "behind-port", behind_port },	    { "serve", serve },
		{ "idle-pool", idle_pool },	{ "spin-server", spin_server }, { "relock-server", relock_server },
		{ "client", client },
	};

	(void)count;
	return DISPATCH(modes, arguments);
}
