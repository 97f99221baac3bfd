// Files of torch.save(state_dict, path): their tensors are read without running what the file would have Python run.
#pragma once

#include <gradus/core/io/safetensors.h>

#include <string>

namespace gradus {

/// Reads the tensors of a state dict, or of a dict, list or tuple that holds some: a checkpoint {"model": state, "epoch": 3}
/// gives "model.conv1.weight", ...; other values are left out. Types as in load_safetensors(): half and bfloat16 become f32,
/// narrow integers i64. Tensors of one storage (tied weights, views) share their elements here, too, with their strides.
///
///   net.load_state_dict(load_torch("weights.pt"));
///
/// The file is the zip archive that PyTorch writes since 1.6. Its pickle is a program, of which only what builds dicts,
/// lists, tuples, numbers, texts and tensors is read; any other global or opcode is an error that names it. Memory: the
/// Arrays, the file once more and 1 MiB. Errors: DataError naming the file, and the tensor where there is one.
NamedArrays load_torch(const std::string& path);

}  // namespace gradus
