package graft.architecture;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;

/** What may depend on what; CONTRIBUTING.md has the same as a table. */
@AnalyzeClasses(packages = "graft", importOptions = ImportOption.DoNotIncludeTests.class)
class DependencyTest {
    private static final String[] USE_CASES = {
        "graft.convert.reduce..",
        "graft.convert.apply..",
        "graft.convert.merge..",
        "graft.convert.extract..",
        "graft.convert.sparsify..",
        "graft.convert.export..",
        "graft.convert.verify..",
        "graft.convert.inspect..",
        "graft.convert.archive..",
    };

    @ArchTest
    static final ArchRule formatsKnowNeitherHubNorConverter =
            noClasses()
                    .that()
                    .resideInAPackage("graft.formats..")
                    .should()
                    .dependOnClassesThat()
                    .resideInAnyPackage(
                            "graft.hub..", "graft.convert..", "okhttp3..", "ai.onnxruntime..");

    @ArchTest
    static final ArchRule hubKnowsNoTensors =
            noClasses()
                    .that()
                    .resideInAPackage("graft.hub..")
                    .should()
                    .dependOnClassesThat()
                    .resideInAnyPackage("graft.formats..", "graft.convert..");

    @ArchTest
    static final ArchRule runtimeNeedsOnnxRuntimeAlone =
            classes()
                    .that()
                    .resideInAPackage("graft.runtime..")
                    .should()
                    .onlyDependOnClassesThat()
                    .resideInAnyPackage(
                            "java..", "org.jspecify..", "ai.onnxruntime..", "graft.runtime..");

    @ArchTest
    static final ArchRule onlyTheHubUsesTheWire =
            noClasses()
                    .that()
                    .resideOutsideOfPackage("graft.hub..")
                    .should()
                    .dependOnClassesThat()
                    .resideInAnyPackage("okhttp3..", "okio..", "kotlin..");

    @ArchTest
    static final ArchRule theCacheKnowsNoNetwork =
            noClasses()
                    .that()
                    .resideInAPackage("graft.hub.cache..")
                    .should()
                    .dependOnClassesThat()
                    .resideInAnyPackage("okhttp3..", "okio..", "graft.hub.download..");

    @ArchTest
    static final ArchRule tensorsAndFilesKnowNoFormat =
            classes()
                    .that()
                    .resideInAnyPackage("graft.formats.io..", "graft.formats.tensor..")
                    .should()
                    .onlyDependOnClassesThat()
                    .resideInAnyPackage(
                            "java..",
                            "org.jspecify..",
                            "graft.formats",
                            "graft.formats.io..",
                            "graft.formats.tensor..");

    @ArchTest
    static final ArchRule safetensorsPickleAndOnnxKnowNoOtherFormat =
            noClasses()
                    .that()
                    .resideInAnyPackage(
                            "graft.formats.safetensors..",
                            "graft.formats.pickle..",
                            "graft.formats.onnx..")
                    .should()
                    .dependOnClassesThat()
                    .resideInAnyPackage(
                            "graft.formats.peft..",
                            "graft.formats.delta..",
                            "graft.formats.checkpoint..");

    @ArchTest
    static final ArchRule safetensorsAndPickleDoNotKnowEachOther =
            slices().matching("graft.formats.(safetensors|pickle)..")
                    .should()
                    .notDependOnEachOther();

    @ArchTest
    static final ArchRule archivesKnowNoOtherFormat =
            noClasses()
                    .that()
                    .resideInAPackage("graft.formats.archive..")
                    .should()
                    .dependOnClassesThat()
                    .resideInAnyPackage(
                            "graft.formats.safetensors..",
                            "graft.formats.onnx..",
                            "graft.formats.peft..",
                            "graft.formats.delta..");

    @ArchTest
    static final ArchRule formatsHaveNoCycles =
            slices().matching("graft.formats.(*)..").should().beFreeOfCycles();

    @ArchTest
    static final ArchRule linearAlgebraKnowsNoTensors =
            noClasses()
                    .that()
                    .resideInAPackage("graft.convert.linalg..")
                    .should()
                    .dependOnClassesThat()
                    .resideInAnyPackage("graft.formats..", "java.nio.file..");

    @ArchTest
    static final ArchRule useCasesDoNotKnowEachOther =
            slices().matching(
                            "graft.convert.(reduce|extract|apply|merge|sparsify|export|verify|inspect|archive)..")
                    .should()
                    .notDependOnEachOther();

    @ArchTest
    static final ArchRule onlyJobChainsUseCases =
            classes()
                    .that()
                    .resideInAnyPackage(USE_CASES)
                    .should()
                    .onlyHaveDependentClassesThat()
                    .resideInAnyPackage(
                            concat(USE_CASES, "graft.convert.job..", "graft.convert.cli.."));

    @ArchTest
    static final ArchRule nothingUsesTheCommandLine =
            noClasses()
                    .that()
                    .resideOutsideOfPackage("graft.convert.cli..")
                    .should()
                    .dependOnClassesThat()
                    .resideInAnyPackage("graft.convert.cli..", "picocli..");

    @ArchTest
    static final ArchRule onlyKernelsTouchNativeAlgebra =
            noClasses()
                    .that()
                    .resideOutsideOfPackage("graft.convert.linalg..")
                    .should()
                    .dependOnClassesThat()
                    .resideInAnyPackage("org.bytedeco..", "org.ejml..");

    private static String[] concat(String[] first, String... rest) {
        String[] all = java.util.Arrays.copyOf(first, first.length + rest.length);
        System.arraycopy(rest, 0, all, first.length, rest.length);
        return all;
    }
}
