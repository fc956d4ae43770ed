package graft.hub.http;

import okhttp3.Call;
import okhttp3.EventListener;

import java.io.IOException;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Which thread waits for which call, from the request to the end of the body: a socket does not
 * notice that the thread reading from it is interrupted, so its call is cancelled as well. Safe
 * from any thread.
 */
final class Calls extends EventListener {
    private final Map<Call, Thread> threads = new ConcurrentHashMap<>();

    @Override
    public void callStart(Call call) {
        threads.put(call, Thread.currentThread());
        if (Thread.currentThread().isInterrupted()) {
            call.cancel(); // interrupt() came before the call was known
        }
    }

    @Override
    public void callEnd(Call call) {
        threads.remove(call);
    }

    @Override
    public void callFailed(Call call, IOException e) {
        threads.remove(call);
    }

    /** Interrupts a thread, also where it reads from the network. */
    void interrupt(Thread thread) {
        thread.interrupt();
        threads.forEach((call, waiting) -> {
            if (waiting.equals(thread)) {
                call.cancel();
            }
        });
    }

    /** Ends all calls, whoever waits for them. */
    void cancelAll() {
        threads.keySet().forEach(Call::cancel);
    }
}
