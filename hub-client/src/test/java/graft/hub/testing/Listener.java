package graft.hub.testing;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;

import org.jspecify.annotations.Nullable;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Consumer;

import javax.net.ssl.SSLContext;

/** One origin: accepts, asks a handler, applies faults, sends, records. */
final class Listener implements AutoCloseable {
    static {
        // Without it a small answer on a kept connection waits 40 ms for the peer's delayed ACK.
        System.setProperty("sun.net.httpserver.nodelay", "true");
    }

    /** Answers one request; a {@link HubError} becomes its response. */
    interface Handler {
        Response handle(Request request) throws IOException, HubError;
    }

    private final Call.Origin origin;
    private final String host;
    private final HttpServer server;

    /** Platform threads: the client under test may need every carrier of virtual ones. */
    private final ExecutorService threads =
            Executors.newCachedThreadPool(
                    Thread.ofPlatform().daemon().name("FakeHub-", 0).factory());

    /** Binds the loopback interface; URLs use {@code host}, one of its names. */
    Listener(Call.Origin origin, String host, int port, @Nullable SSLContext tls)
            throws IOException {
        this.origin = origin;
        this.host = host;
        var address = new InetSocketAddress(InetAddress.ofLiteral("127.0.0.1"), port);
        if (tls == null) {
            server = HttpServer.create(address, 0);
        } else {
            HttpsServer secure = HttpsServer.create(address, 0);
            secure.setHttpsConfigurator(new HttpsConfigurator(tls));
            server = secure;
        }
        server.setExecutor(threads);
    }

    URI uri() {
        String scheme = server instanceof HttpsServer ? "https" : "http";
        return URI.create("%s://%s:%d".formatted(scheme, host, server.getAddress().getPort()));
    }

    void start(Handler handler, Faults faults, Consumer<Served> log) {
        server.createContext("/", exchange -> serve(exchange, handler, faults, log));
        server.start();
    }

    private void serve(
            HttpExchange exchange, Handler handler, Faults faults, Consumer<Served> log) {
        Request request = Request.of(origin, exchange);
        Response response = faults.answer(request, changed -> answer(changed, handler));
        var sent = new Sent();
        try {
            send(exchange, response, sent);
        } catch (IOException e) {
            // The client went away, or a fault promised more bytes than it sent: nothing to tell
            // anyone.
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            exchange.close();
            log.accept(new Served(request.call(), sent.status, sent.bytes));
        }
    }

    private static final class Sent {
        int status;
        long bytes;
    }

    private static Response answer(Request request, Handler handler) {
        try {
            return handler.handle(request);
        } catch (HubError e) {
            return e.response();
        } catch (IOException | RuntimeException e) {
            return Response.text(500, "FakeHub: " + e);
        }
    }

    private static void send(HttpExchange exchange, Response response, Sent sent)
            throws IOException, InterruptedException {
        Response.Wire wire = response.wire();
        Thread.sleep(wire.delayMillis());
        if (wire.silent()) {
            return; // closing the exchange now closes the connection without an answer
        }
        response.headers().forEach(exchange.getResponseHeaders()::set);
        long length = response.body().length();
        boolean headOnly = exchange.getRequestMethod().equals("HEAD");
        if (headOnly
                && length >= 0
                && !exchange.getResponseHeaders().containsKey("Content-Length")) {
            exchange.getResponseHeaders().set("Content-Length", Long.toString(length));
        }
        String declared = exchange.getResponseHeaders().getFirst("Content-Length");
        if (declared != null && !headOnly) {
            length = Long.parseLong(declared);
        }
        sent.status = response.status();
        // The JDK's server: 0 means chunks, -1 no body.
        exchange.sendResponseHeaders(
                response.status(), headOnly || length == 0 ? -1 : length < 0 ? 0 : length);
        if (headOnly || length == 0) {
            return;
        }
        try (InputStream in = response.body().open(0)) {
            OutputStream out = exchange.getResponseBody();
            copy(in, out, length < 0 ? Long.MAX_VALUE : length, wire, sent);
            if (wire.cutAfter() == Long.MAX_VALUE) {
                out.close();
            }
        }
    }

    private static void copy(
            InputStream in, OutputStream out, long length, Response.Wire wire, Sent sent)
            throws IOException, InterruptedException {
        boolean slow = wire.bytesPerSecond() < Long.MAX_VALUE;
        long left = Math.min(length, wire.cutAfter());
        int step = slow ? (int) Math.max(1, wire.bytesPerSecond() / 20) : 1 << 18;
        byte[] buffer = new byte[(int) Math.min(step, Math.max(left, 1))];
        while (left > 0) {
            int n = in.read(buffer, 0, (int) Math.min(buffer.length, left));
            if (n < 0) {
                break;
            }
            out.write(buffer, 0, n);
            sent.bytes += n;
            left -= n;
            if (slow) {
                out.flush();
                Thread.sleep(1000L * n / wire.bytesPerSecond());
            }
        }
        out.flush();
    }

    @Override
    public void close() {
        server.stop(0);
        threads.shutdownNow();
    }
}
