import java.util.ArrayDeque;

/** A heap so full that the collector works all the time, and the program hardly. */
public class Thrash {
    public static void main(String[] arguments) {
        ArrayDeque<byte[][]> kept = new ArrayDeque<>();
        long heap = Runtime.getRuntime().maxMemory();
        long fill = heap / 100 * Integer.parseInt(arguments[0]);
        for (long used = 0; used < fill; used += 16 << 10) {
            kept.add(block());
        }
        System.out.println("READY {}");
        while (true) {
            // What was kept longest goes, so that every collection has to go through all of it.
            kept.poll();
            kept.add(block());
        }
    }

    /** 16 KiB in small objects: many to mark. */
    private static byte[][] block() {
        byte[][] block = new byte[128][];
        for (int i = 0; i < block.length; i++) {
            block[i] = new byte[96];
        }
        return block;
    }
}
