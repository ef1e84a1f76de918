import java.util.concurrent.CountDownLatch;

/** Two threads, each in the monitor that the other one wants to enter. */
public class Monitors {
    static final Object FIRST = new Object();
    static final Object SECOND = new Object();
    static final CountDownLatch BOTH_HOLD_ONE = new CountDownLatch(2);

    static void holdAndWant(Object own, Object other) {
        synchronized (own) {
            BOTH_HOLD_ONE.countDown();
            try {
                BOTH_HOLD_ONE.await();
            } catch (InterruptedException end) {
                return;
            }
            synchronized (other) {
                throw new IllegalStateException("this never happens");
            }
        }
    }

    public static void main(String[] arguments) throws InterruptedException {
        Thread transfer = new Thread(() -> holdAndWant(FIRST, SECOND), "clinic-transfer");
        Thread audit = new Thread(() -> holdAndWant(SECOND, FIRST), "clinic-audit");
        transfer.start();
        audit.start();
        BOTH_HOLD_ONE.await();
        System.out.println("READY {\"names\":[\"clinic-transfer\",\"clinic-audit\"]}");
        transfer.join();
    }
}
