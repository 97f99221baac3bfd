// What torch.save(state_dict, path) wrote: the tensors, without running what the file would have Python run.
#pragma once

#include <gradus/core/io/safetensors.h>

#include <string>

namespace gradus {

/// The tensors of a state dict, or of a dict, list or tuple that holds some: a checkpoint {"model": state, "epoch": 3} gives
/// "model.conv1.weight", ...; what is no tensor is left out. Types as load_safetensors(): half and bfloat16 become f32, narrow
/// integers i64. Tensors of one storage (tied weights, views) share their numbers here, too, with their strides.
///
///   net.load_state_dict(load_torch("weights.pt"));
///
/// The file is the zip archive that PyTorch writes since 1.6. Its pickle is a program: of that, only what builds dicts, lists,
/// tuples, numbers, texts and tensors is read; any other global or opcode is refused by its name, and nothing is ever run.
/// Memory: the Arrays, the file once more and 1 MiB. DataError naming the file, and the tensor where there is one.
NamedArrays load_torch(const std::string& path);

}  // namespace gradus
