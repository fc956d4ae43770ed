package graft.hub.testing;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Function;

/** The faults in force; several may strike one call, in the order they were given. */
final class Faults {
    private final List<Fault> faults = new CopyOnWriteArrayList<>();

    void add(Fault fault) {
        faults.add(fault);
    }

    void clear() {
        faults.clear();
    }

    Response answer(Request request, Function<Request, Response> handler) {
        List<Fault> striking = faults.stream().filter(f -> f.strikes(request.call())).toList();
        Request changed = request;
        for (Fault fault : striking) {
            changed = fault.change(changed);
        }
        Response response =
                striking.stream().anyMatch(Fault::unheard)
                        ? Response.of(200)
                        : handler.apply(changed);
        for (Fault fault : striking) {
            response = fault.change(changed, response);
        }
        return response;
    }
}
