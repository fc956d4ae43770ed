package graft.convert.sparsify;

import static org.assertj.core.api.Assertions.assertThat;

import graft.formats.tensor.DType;
import graft.formats.tensor.Shape;
import graft.formats.tensor.TensorInfo;

import org.junit.jupiter.api.Test;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/** Leaving out choices that no price makes the cheapest changes no choice. */
class NoiseAllocationTest {
    private static final Estimator ANY =
            new Estimator(new TensorInfo("any", DType.F32, Shape.of(2, 3)), null);

    @Test
    void theHullHoldsTheCheapestAtEveryPrice() {
        var random = new Random(20261125);
        for (int round = 0; round < 200; round++) {
            List<NoiseAllocation.Chosen> all = choices(random, 1 + random.nextInt(400));
            List<NoiseAllocation.Chosen> outer = NoiseAllocation.outer(all);
            assertThat(outer).isNotEmpty();
            for (double price = -30; price <= 30; price += 0.25) {
                assertThat(cheapest(outer, Math.exp(price)))
                        .as("round %d, price e^%s", round, price)
                        .isSameAs(cheapest(all, Math.exp(price)));
            }
            if (all.size() > 100) {
                assertThat(outer).hasSizeLessThan(all.size() / 2);
            }
        }
    }

    private static NoiseAllocation.Chosen cheapest(
            List<NoiseAllocation.Chosen> choices, double price) {
        return choices.get(NoiseAllocation.Choices.of(choices).cheapest(price));
    }

    /** Near a curve of falling bytes over harm, as rounding steps are; some of them twice. */
    private static List<NoiseAllocation.Chosen> choices(Random random, int count) {
        List<NoiseAllocation.Chosen> choices = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            double harm = Math.exp(10 * random.nextDouble() - 8);
            double bytes = 1000 / (harm + 0.01) * (1 + random.nextDouble());
            choices.add(chosen(bytes, harm));
            if (random.nextInt(10) == 0) {
                choices.add(chosen(bytes, harm));
            }
        }
        return choices;
    }

    private static NoiseAllocation.Chosen chosen(double bytes, double harm) {
        return new NoiseAllocation.Chosen(ANY, new Treatment.Nothing(), bytes, harm);
    }
}
