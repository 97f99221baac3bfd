#!/usr/bin/env bash
# A stranger who knows PyTorch looks for a place by its usual word: `grep -rn WORD` over the room must hit it first.
# Each question stands with the words that are grepped for and the file that must come first (appendix of CONTRIBUTING.md).
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 2
failures=0
asks() {  # QUESTION WORDS(regex) WHERE FILE
  local first
  first=$(grep -rlE --include='*.h' --include='*.cpp' -- "$2" $3 | LC_ALL=C sort | head -1)
  if [[ $first != "$4" ]]; then
    echo "FAILED: $1 grep -rnE '$2' $3 begins with ${first:-nothing}, not $4"
    failures=$((failures + 1))
  fi
}
asks 'Where is the code that sums a gradient into a leaf?' 'void accumulate' autograd autograd/backward.h
asks 'Where does a backward pass run through the nodes?' 'class Traversal' autograd autograd/backward.cpp
asks 'Where is a node of the tape?' 'struct Node' autograd autograd/node.h
asks 'What does an op see in its backward?' 'class BackwardContext' autograd autograd/backward.h
asks 'Where is an op registered?' 'register_op' autograd autograd/op.cpp
asks 'Where is no_grad?' 'class NoGrad' autograd autograd/node.h
asks 'Where is the reference definition of layer_norm?' 'Tensor reference\(' autograd/ops/layer_norm.cpp autograd/ops/layer_norm.cpp
asks 'Where are checkpoints (recomputed activations)?' 'auto checkpoint\(' autograd autograd/checkpoint.h
asks 'Where is gradcheck?' 'GradcheckReport gradcheck\(' autograd autograd/check/gradcheck.cpp
asks 'Where is memory allocated?' 'void\* allocate\(' core core/memory/pool.h
asks 'Where is the matrix product?' 'void gemm\(' core core/kernels/gemm.cpp
asks 'Where are threads started?' 'class Workers|struct Workers' core core/parallel.cpp
asks 'Where is the random generator?' 'struct Philox' core core/random.h
asks 'Where is safetensors read?' 'load_safetensors\(' core core/io/safetensors.cpp
asks 'Where is a file of torch.save read?' 'load_torch\(' core core/io/torch_file.cpp
asks 'Where is the first number of a weight drawn (Kaiming)?' 'kaiming_uniform' nn nn/init.cpp
asks 'Where is a state dict loaded?' 'void Module::load|::load_state' nn nn/state.cpp
asks 'Where is weight decay of SGD?' 'weight_decay' optim/rules/sgd.cpp optim/rules/sgd.cpp
asks 'Where is an op written as ONNX?' 'LayerNormalization' nn nn/onnx/emit_layers.cpp
asks 'What runs when I call opt.step()?' '^void Optimizer::step\(' optim optim/optimizer_step.cpp
asks 'Where is a rule registered?' 'void register_rule\(RuleInfo' optim optim/spec/registry.cpp
asks 'Where is a run saved and resumed?' 'Position Checkpoint::resume' train train/checkpoint.cpp
asks 'Where is gradient clipping?' 'clip_grad_norm\(' optim optim/norms.cpp
exit $((failures > 0))
