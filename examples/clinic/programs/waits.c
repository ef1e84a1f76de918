/* Threads that wait for each other without a lock that names its owner, and owners that only take their time. */
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/time.h>

#include "clinic.h"

#define WAITERS 3

static pthread_mutex_t mutexes[2] = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER };
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static sem_t semaphore;
static int tids[MOST_THREADS];
static volatile uint64_t work;

static void compute(uint64_t rounds)
{
	for (uint64_t i = 0; i < rounds; i++)
		work = work * 6364136223846793005u + 1442695040888963407u;
}

static void *wait_without_looking(void *argument)
{
	(void)argument;
	tids[0] = thread_id();
	/* The signal has been sent: nobody waits yet, so it is lost. */
	pthread_barrier_wait(&barrier);
	pthread_mutex_lock(&mutexes[0]);
	pthread_cond_wait(&condition, &mutexes[0]);
	return NULL;
}

static void lost_wakeup(char **arguments)
{
	pthread_t thread;

	(void)arguments;
	pthread_barrier_init(&barrier, NULL, 2);
	start(&thread, wait_without_looking, NULL);
	pthread_cond_signal(&condition);
	pthread_barrier_wait(&barrier);
	ready("{\"blocked\":[%d,%d]}", tids[0], thread_id());
	pthread_join(thread, NULL);
}

static void *take(void *argument)
{
	(void)argument;
	tids[0] = thread_id();
	pthread_barrier_wait(&barrier);
	sem_wait(&semaphore);
	return NULL;
}

/* A semaphore that nobody will post: the word at its address must not pass for a mutex. */
static void starved_semaphore(char **arguments)
{
	pthread_t thread;

	(void)arguments;
	sem_init(&semaphore, 0, 0);
	pthread_barrier_init(&barrier, NULL, 2);
	start(&thread, take, NULL);
	pthread_barrier_wait(&barrier);
	ready("{\"blocked\":[%d,%d]}", tids[0], thread_id());
	pthread_join(thread, NULL);
}

static void post(int signal)
{
	(void)signal;
	sem_post(&semaphore);
}

/* Posts the semaphore, which a handler may, when somebody sends one of these. */
static void post_on(int first, int second)
{
	struct sigaction action = { .sa_handler = post };

	sem_init(&semaphore, 0, 0);
	sigaction(first, &action, NULL);
	sigaction(second, &action, NULL);
}

static void wait_for_post(sem_t *posted)
{
	for (;;)
		sem_wait(posted);
}

static void *wait_for_job(void *argument)
{
	(void)argument;
	pthread_mutex_lock(&mutexes[0]);
	for (;;)
		pthread_cond_wait(&condition, &mutexes[0]);
	return NULL;
}

static void start_pool(int workers)
{
	pthread_t thread;

	for (int i = 0; i < workers; i++)
		start(&thread, wait_for_job, NULL);
}

/* A daemon that sleeps until it is told to end or to read its settings again. */
static void signal_waiter(char **arguments)
{
	(void)arguments;
	post_on(SIGTERM, SIGHUP);
	ready("{\"blocked\":[%d]}", thread_id());
	wait_for_post(&semaphore);
}

/* The same with workers: all wait in futexes, and yet a signal gets them going. */
static void signal_pool(char **arguments)
{
	(void)arguments;
	post_on(SIGUSR1, SIGTERM);
	start_pool(4);
	ready("{}");
	wait_for_post(&semaphore);
}

/* The same, and the signal comes from a timer that /proc/PID/timers does not list. */
static void alarm_waiter(char **arguments)
{
	struct itimerval hourly = { { 3600, 0 }, { 3600, 0 } };

	(void)arguments;
	post_on(SIGALRM, SIGALRM);
	setitimer(ITIMER_REAL, &hourly, NULL);
	start_pool(1);
	ready("{}");
	wait_for_post(&semaphore);
}

/* A worker whose jobs come from another process, through memory that they share. */
static void shared_worker(char **arguments)
{
	sem_t *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t worker, parent = getpid();

	(void)arguments;
	must(shared != MAP_FAILED, "mmap");
	sem_init(shared, 1, 0);
	worker = fork();
	must(worker >= 0, "fork");
	if (worker > 0) {
		ready("{\"pids\":[%d,%d]}", worker, parent);
		for (;;)
			sleep_ms(3600 * 1000);
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == parent)
		wait_for_post(shared);
}

/* Each holds one lock, tries for the other's, gives up after a moment, and tries again without letting go. */
static void *retry(void *argument)
{
	int own = (int)(intptr_t)argument;

	tids[own] = thread_id();
	pthread_mutex_lock(&mutexes[own]);
	pthread_barrier_wait(&barrier);
	for (;;) {
		struct timespec until;

		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += 5000000;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		if (pthread_mutex_timedlock(&mutexes[1 - own], &until) == 0)
			return NULL;
	}
}

static void timed_livelock(char **arguments)
{
	pthread_t threads[2];

	(void)arguments;
	pthread_barrier_init(&barrier, NULL, 3);
	for (intptr_t i = 0; i < 2; i++)
		start(&threads[i], retry, (void *)i);
	pthread_barrier_wait(&barrier);
	ready("{}");
	pthread_join(threads[0], NULL);
}

static void *want(void *argument)
{
	int own = (int)(intptr_t)argument;

	tids[own] = thread_id();
	pthread_barrier_wait(&barrier);
	pthread_mutex_lock(&mutexes[0]);
	return NULL;
}

/* Three threads wait for a lock whose owner, this thread, is at something long. */
static void hold_and(void (*act)(void))
{
	pthread_t threads[WAITERS];

	pthread_barrier_init(&barrier, NULL, WAITERS + 1);
	pthread_mutex_lock(&mutexes[0]);
	for (intptr_t i = 0; i < WAITERS; i++)
		start(&threads[i], want, (void *)i);
	pthread_barrier_wait(&barrier);
	ready("{\"blocked\":[%d,%d,%d]}", tids[0], tids[1], tids[2]);
	for (;;)
		act();
}

static void work_a_while(void)
{
	compute(1 << 20);
}

static void sleep_a_while(void)
{
	sleep_ms(3600 * 1000);
}

static void lock_holder(char **arguments)
{
	(void)arguments;
	hold_and(work_a_while);
}

static void lock_sleeper(char **arguments)
{
	(void)arguments;
	hold_and(sleep_a_while);
}

static void *queue_up(void *argument)
{
	(void)argument;
	for (;;) {
		pthread_mutex_lock(&mutexes[0]);
		compute(2000);
		pthread_mutex_unlock(&mutexes[0]);
		sleep_ms(1);
	}
	return NULL;
}

/* Everybody wants the same lock all the time, and everybody gets it. */
static void convoy(char **arguments)
{
	pthread_t thread;

	(void)arguments;
	for (int i = 0; i < 4; i++)
		start(&thread, queue_up, NULL);
	ready("{}");
	pthread_join(thread, NULL);
}

int main(int count, char **arguments)
{
	static const struct mode modes[] = {
		{ "lost-wakeup", lost_wakeup },	  { "semaphore", starved_semaphore },
		{ "signal-waiter", signal_waiter }, { "signal-pool", signal_pool },
		{ "alarm-waiter", alarm_waiter },   { "shared-worker", shared_worker },
		{ "timed-livelock", timed_livelock },
		{ "lock-holder", lock_holder },	  { "lock-sleeper", lock_sleeper },
		{ "convoy", convoy },
	};

	(void)count;
	return DISPATCH(modes, arguments);
}
