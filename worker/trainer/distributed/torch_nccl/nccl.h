#pragma once
// Functions of torch/csrc/cuda/nccl.h, whose own header needs those of all CUDA libraries. They are
// exported by libtorch_cuda and keep these signatures from torch 2.6 to 2.13.

#include <ATen/core/Tensor.h>
#include <c10/cuda/CUDAStream.h>

#include <optional>
#include <vector>

namespace torch::cuda::nccl {

using ncclComm_t = void*;
struct ncclUniqueId {
  char internal[128];
};
using stream_list = std::vector<std::optional<c10::cuda::CUDAStream>>;
using comm_list = std::vector<ncclComm_t>;

void get_unique_id(ncclUniqueId& id);
ncclComm_t comm_init_rank(int nranks, const ncclUniqueId& comm_id, int rank);
void comm_destroy(ncclComm_t comm);
void all_reduce(const std::vector<at::Tensor>& inputs, std::vector<at::Tensor>& outputs, int32_t op,
                const stream_list& streams, const comm_list& user_comms);
void all2all(std::vector<at::Tensor>& outputs, std::vector<at::Tensor>& inputs, ncclComm_t comm,
             c10::cuda::CUDAStream& stream);

}  // namespace torch::cuda::nccl
