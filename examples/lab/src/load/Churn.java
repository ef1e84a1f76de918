import java.util.ArrayList;
import java.util.List;

/** Fills a cache, drops it, and starts again: the memory of a healthy program under a garbage collector. */
public final class Churn {
    public static void main(String[] args) throws Exception {
        long retained = Long.parseLong(args[0]);
        long periodMillis = (long) (Double.parseDouble(args[1]) * 1000);
        int times = Integer.parseInt(args[2]);
        boolean collect = Boolean.parseBoolean(args[3]);
        System.out.println("ready");
        if (System.in.read() < 0) {
            return;
        }
        int block = 64 << 10;
        long blocks = retained / block;
        long sink = 0;
        for (int cycle = 0; cycle < times; cycle++) {
            List<byte[]> cache = new ArrayList<>();
            long start = System.currentTimeMillis();
            while (cache.size() < blocks) {
                long due = blocks * (System.currentTimeMillis() - start) / periodMillis;
                while (cache.size() < Math.min(due + 1, blocks)) {
                    byte[] kept = new byte[block];
                    kept[cache.size() % block] = 1;
                    cache.add(kept);
                    sink += new byte[block / 4].length; // garbage beside what is kept
                }
                Thread.sleep(20);
            }
            cache = null;
            if (collect) {
                System.gc();
            }
            Thread.sleep(500);
        }
        System.exit(sink > 0 ? 0 : 1);
    }
}
