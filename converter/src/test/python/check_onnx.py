"""Checks of ONNX files by the reference libraries. Usage: check_onnx.py adapter IN OUT | graphs FILE..."""
import sys


def adapter(source, target):
    """Reads an .onnx_adapter by onnxruntime and writes it anew, so that both can be compared."""
    import onnxruntime as ort

    read = ort.AdapterFormat.read_adapter(source)
    parameters = read.get_parameters()
    assert parameters, "no parameters"
    written = ort.AdapterFormat()
    written.set_adapter_version(read.get_adapter_version())
    written.set_model_version(read.get_model_version())
    written.set_parameters(parameters)
    written.export_adapter(target)


def graphs(*files):
    """Every graph passes the full check of onnx; graphs with operators of others are listed."""
    import onnx

    for file in files:
        model = onnx.load(file, load_external_data=False)
        foreign = sorted({node.op_type for node in model.graph.node if node.domain not in ("", "ai.onnx")})
        if foreign:
            print(f"{file}: not checked, it uses {foreign}")
            continue
        onnx.checker.check_model(file, full_check=True)


if __name__ == "__main__":
    {"adapter": adapter, "graphs": graphs}[sys.argv[1]](*sys.argv[2:])
