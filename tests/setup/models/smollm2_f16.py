"""Turns a llama.cpp model file of few bits a weight into one of sixteen.

    python smollm2_f16.py MODEL.gguf OUT_DIR

The same model, three times the size. With four bits a weight the sums of one processor's instructions
and those of another's differ enough for a model this small to give other answers; with sixteen they
do not.
"""

import sys
from pathlib import Path

import gguf
import numpy
from gguf.quants import dequantize


def main(source: Path, out: Path) -> None:
    target = out / "SmolLM2-135M-Instruct.F16.gguf"
    reader = gguf.GGUFReader(source)
    architecture = reader.get_field(gguf.Keys.General.ARCHITECTURE).contents()
    writer = gguf.GGUFWriter(target, architecture)
    for field in reader.fields.values():
        # What the writer adds itself.
        if field.name.startswith("GGUF.") or field.name in (gguf.Keys.General.ARCHITECTURE, gguf.Keys.General.FILE_TYPE):
            continue
        elements = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), field.types[0], elements)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    for tensor in reader.tensors:
        values = dequantize(tensor.data, tensor.tensor_type)
        # Norms stay in 32 bits, as llama.cpp wants them.
        kind = numpy.float32 if values.ndim == 1 else numpy.float16
        writer.add_tensor(tensor.name, values.astype(kind))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
