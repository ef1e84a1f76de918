/** Three deadlocks: of two monitors, of two locks of java.util.concurrent, and of three monitors. */
class Deadlocks {
    static final java.util.concurrent.CyclicBarrier TWO = new java.util.concurrent.CyclicBarrier(2);
    static final java.util.concurrent.CyclicBarrier OTHER = new java.util.concurrent.CyclicBarrier(2);
    static final java.util.concurrent.CyclicBarrier THREE = new java.util.concurrent.CyclicBarrier(3);

    static void meet(java.util.concurrent.CyclicBarrier barrier) {
        try { barrier.await(); } catch (Exception e) { throw new RuntimeException(e); }
    }

    static void monitors(String name, Object first, Object second, java.util.concurrent.CyclicBarrier barrier) {
        new Thread(() -> { synchronized (first) { meet(barrier); synchronized (second) { } } }, name).start();
    }

    static void locks(String name, java.util.concurrent.locks.Lock first, java.util.concurrent.locks.Lock second) {
        new Thread(() -> { first.lock(); meet(OTHER); second.lock(); }, name).start();
    }

    public static void main(String[] arguments) throws Exception {
        Object left = new Object(), right = new StringBuilder();
        monitors("worker-a", left, right, TWO);
        monitors("worker-b", right, left, TWO);
        var unfair = new java.util.concurrent.locks.ReentrantLock();
        var fair = new java.util.concurrent.locks.ReentrantLock(true);
        locks("lock \"one\": x", unfair, fair);
        locks("lock-other", fair, unfair);
        Object[] ring = { new Object(), new StringBuilder(), new Throwable() };
        for (int i = 0; i < 3; i++) monitors("ring-" + i, ring[i], ring[(i + 1) % 3], THREE);
        System.out.println("ready");
        Thread.sleep(600_000);
    }
}
