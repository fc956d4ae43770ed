package graft.convert.cli;

import picocli.CommandLine.IVersionProvider;

/** What {@code --version} prints. */
final class Versions implements IVersionProvider {
    /** Graft's own version, from the jar's manifest. */
    static String graft() {
        String version = Versions.class.getPackage().getImplementationVersion();
        return version == null ? "(not packaged)" : version;
    }

    @Override
    public String[] getVersion() {
        return new String[] {"graft " + graft(), "JDK " + Runtime.version()};
    }
}
