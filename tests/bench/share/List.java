// usage: java List.java objects|buffers: holds about 200 MiB of them for a moment.
import java.nio.ByteBuffer;
import java.util.ArrayList;

public class List {
  public static void main(String[] words) throws InterruptedException {
    ArrayList<Object> held = new ArrayList<>();
    if (words[0].equals("objects")) {
      for (int i = 0; i < 2500000; ++i) held.add(new String("text " + i));
    } else {
      for (int i = 0; i < 25000; ++i) {
        ByteBuffer buffer = ByteBuffer.allocateDirect(8000);
        while (buffer.hasRemaining()) buffer.put((byte) 1);
        held.add(buffer);
      }
    }
    Thread.sleep(300);
    System.exit(held.isEmpty() ? 1 : 0);
  }
}
