"""Faults that layouts make silently, each as a change of one place of the sources.

`good` stands once in `file`; `bad` is what the test build has instead, with fault("NAME") true where SEXTANT_FAULT
names it. A fault must leave one rank alone right, or both sides of a comparison would be wrong alike. `tests` narrows
the suite to where the fault can show: (program, GoogleTest filter)."""

from dataclasses import dataclass

EVERY_LAYOUT = ("parity_test", "*InFp64*")


@dataclass(frozen=True)
class Fault:
    name: str
    what: str
    file: str
    good: str
    bad: str
    tests: tuple = EVERY_LAYOUT


FAULTS = [
    Fault("dropped_all_reduce", "gradients of data replicas are never summed",
          "parallel/gradient_bucket.cpp",
          "flight.work = group_.all_reduce_async(flight.input, Reduce::kSum);",
          'if (!fault("dropped_all_reduce")) flight.work = group_.all_reduce_async(flight.input, Reduce::kSum);'),
    Fault("forgotten_holders", "one of a rank's sets of holders is not summed over (norms under tensor parallelism)",
          "parallel/gradient_bucket.cpp",
          "    expect(first, \"a rank by itself sums once\");\n  } else if (whole_) {",
          "    expect(first, \"a rank by itself sums once\");\n"
          "  } else if (whole_ && fault(\"forgotten_holders\") && layout_.set_of(bucket_) == 1) {\n  } else if (whole_) {"),
    Fault("reduce_scatter_keeps_own", "a rank keeps its own part where it should have the sum of all",
          "parallel/gradient_bucket.cpp",
          "    if (!first) flight.addend = std::move(result);\n",
          "    if (fault(\"reduce_scatter_keeps_own\")) {\n"
          "      flight.work->wait();\n"
          "      result.copy_(flight.input.view({shard_.size(), -1})[shard_.rank().value()]);\n    }\n"
          "    if (!first) flight.addend = std::move(result);\n"),
    Fault("shard_group_alone", "gradients of one shard group are not added to those of the others",
          "parallel/gradient_bucket.cpp",
          "return whole_ || replica_.size() == 1 ? nullptr",
          'return whole_ || replica_.size() == 1 || fault("shard_group_alone") ? nullptr'),
    Fault("norm_counts_replicas", "the gradient's norm counts the numbers of every shard group",
          "trainer/gradient_norm.cpp",
          "own.elements() * place / same.size()",
          'fault("norm_counts_replicas") ? own.elements() * (place - same.rank().value()) : own.elements() * place / same.size()'),
    Fault("mean_of_ranks", "sums over ranks are divided by the ranks' number, then once more by the count",
          "parallel/gradient_bucket.cpp",
          "  if (flight.work) flight.work->wait();\n",
          "  if (flight.work) flight.work->wait();\n"
          "  if (flight.work && fault(\"mean_of_ranks\")) "
          "(flight.addend.defined() ? flight.addend : whole_ ? flight.input : sum_).div_(group_.size());\n"),
    Fault("lost_microbatch", "ZeRO 2 forgets the microbatches before the last",
          "parallel/gradient_bucket.cpp",
          "if (flight.addend.defined()) sum_.add_(flight.addend);",
          'if (flight.addend.defined() && !fault("lost_microbatch")) sum_.add_(flight.addend);'),
    Fault("local_count", "a loss is divided by a rank's own count of positions",
          "trainer/step.cpp",
          "  sums = parallel::reduce_sums(world_, sums);\n",
          '  if (!fault("local_count") || parts.empty()) sums = parallel::reduce_sums(world_, sums);\n'
          "  else parallel::reduce_sums(world_, sums);\n"),
    Fault("stale_parameter", "what other ranks updated under ZeRO 1 and 2 is not gathered",
          "trainer/step.cpp",
          "  optimizer_->update(report.learning_rate, clip / report.count);\n  weights_.gather_values();\n",
          "  optimizer_->update(report.learning_rate, clip / report.count);\n"
          '  if (!fault("stale_parameter")) weights_.gather_values();\n'),
    Fault("stale_unit", "under ZeRO 3 a block's values are those of its first forward",
          "parallel/unit_values.cpp",
          "    if (buckets_[b].here) give_memory_back(buckets_[b].flat);\n    buckets_[b].here = false;\n",
          "    if (fault(\"stale_unit\")) continue;\n"
          "    if (buckets_[b].here) give_memory_back(buckets_[b].flat);\n    buckets_[b].here = false;\n"),
    Fault("norm_counts_twice", "the gradient's norm counts replicated numbers once a rank",
          "trainer/gradient_norm.cpp",
          "gradients.is_whole(b) ? sums.narrow(0, own.begin, own.elements()) : sums",
          'gradients.is_whole(b) && !fault("norm_counts_twice") ? sums.narrow(0, own.begin, own.elements()) : sums'),
    Fault("quantum_of_one_rank", "reproducible sums take a quantum from the rank's own largest gradient",
          "trainer/step.cpp",
          "  totals.largest = parallel::reduce_numbers(world_, {totals.largest}, parallel::Reduce::kMax)[0];\n",
          "  double everywhere = parallel::reduce_numbers(world_, {totals.largest}, parallel::Reduce::kMax)[0];\n"
          '  if (!fault("quantum_of_one_rank")) totals.largest = everywhere;\n'),
    Fault("tied_embedding", "the ends of a pipeline do not add up their gradients of a tied embedding",
          "parallel/gradient_reducer.cpp",
          "  while (auto due = schedule.rest()) start(*due);\n",
          "  while (auto due = schedule.rest()) {\n"
          '    if (!fault("tied_embedding") || holders.alike(layout.set_of(*due))) start(*due);\n  }\n'),
    Fault("wrong_microbatch", "a pipeline's last stage compares with the targets of another microbatch",
          "trainer/passes.cpp",
          "    Rows rows = rows_at(microbatch);\n    if (x.defined()) x.requires_grad_(true);",
          "    Rows rows = rows_at(fault(\"wrong_microbatch\") && x.defined() ? 0 : microbatch);\n"
          "    if (x.defined()) x.requires_grad_(true);"),
    Fault("lost_weight_gradients", "weight gradients that a schedule puts off are never taken",
          "trainer/passes.cpp",
          "    sinks.run({chunk, microbatch});\n",
          '    if (!fault("lost_weight_gradients")) sinks.run({chunk, microbatch});\n'),
    Fault("swapped_shard", "the tensor axis's ranks have each other's shards of positions",
          "trainer/model/transformer.cpp",
          "  return x.narrow(1, tensor.rank().value() * time, time);",
          "  int64_t shard = fault(\"swapped_shard\") ? tensor.size() - 1 - tensor.rank().value() : tensor.rank().value();\n"
          "  return x.narrow(1, shard * time, time);"),
    Fault("embedding_of_one_rank", "a token's vector is what the rank's own part of the vocabulary says",
          "trainer/model/transformer.cpp",
          "  if (share.in_shards()) return parallel::reduce_scatter(own, 1, *share.group);\n",
          '  if (share.in_shards() && fault("embedding_of_one_rank")) return own_shard(own, *share.group);\n'
          "  if (share.in_shards()) return parallel::reduce_scatter(own, 1, *share.group);\n"),
    Fault("softmax_of_one_part", "the loss's denominator is over the rank's own part of the vocabulary",
          "trainer/kernels/vocabulary_part.cpp",
          "return {at::logsumexp(all.select(1, 0), {0}), all.select(1, 1).sum(0)};",
          'return {fault("softmax_of_one_part") ? own[0][0] : at::logsumexp(all.select(1, 0), {0}), '
          "all.select(1, 1).sum(0)};"),
    Fault("target_elsewhere", "a target in another rank's part of the vocabulary has logit 0",
          "trainer/kernels/vocabulary_part.cpp",
          "return {at::logsumexp(all.select(1, 0), {0}), all.select(1, 1).sum(0)};",
          'return {at::logsumexp(all.select(1, 0), {0}), fault("target_elsewhere") ? own[0][1].clone() '
          ": all.select(1, 1).sum(0)};"),
    Fault("bias_of_every_rank", "a row layer's bias is added once a rank",
          "trainer/kernels/fused_linear.cpp",
          "parallel::reduce_scattered(linear_forward(x, weight, at::Tensor()), 1, *group);",
          "parallel::reduce_scattered(\n"
          '      linear_forward(x, weight, fault("bias_of_every_rank") ? bias : at::Tensor()), 1, *group);'),
    Fault("input_gradient_of_one_rank", "a column layer's input gradient is not summed over the ranks",
          "trainer/kernels/fused_linear.cpp",
          "  return dinput.take();\n}\n\n// A row layer's output",
          "  at::Tensor summed = dinput.take();\n"
          "  if (!fault(\"input_gradient_of_one_rank\")) return summed;\n"
          "  int64_t time = summed.size(1);\n"
          "  return dwhole.narrow(1, carried.share.group->rank().value() * time, time).contiguous();\n"
          "}\n\n// A row layer's output"),
    Fault("swapped_vocabulary", "the first rows of the vocabulary are thought to lie on the last rank",
          "trainer/kernels/vocabulary_part.cpp",
          "first_(group == nullptr ? 0 : group->rank().value() * weight.size(0)),",
          "first_(group == nullptr ? 0 : (fault(\"swapped_vocabulary\") ? group->size() - 1 - group->rank().value()\n"
          "                                                           : group->rank().value()) * weight.size(0)),"),
    Fault("blocks_in_any_order", "blocks of different ranks are not summed in one tree",
          "parallel/along_dim.cpp",
          "  if (order == SumOrder::kTree) {",
          '  if (order == SumOrder::kTree && !fault("blocks_in_any_order")) {',
          ("parity_test", "*TensorBlocks*")),
    Fault("norm_of_all_blocks", "a norm's gradients of several blocks are rounded as one",
          "trainer/kernels/fixed_blocks.cpp",
          "    for (int64_t i = 0; i < blocks; ++i) {\n      NormStatistics statistics",
          '    if (fault("norm_of_all_blocks")) blocks = 1;\n'
          "    for (int64_t i = 0; i < blocks; ++i) {\n      NormStatistics statistics",
          ("parity_test", "*TensorBlocks*")),
    Fault("local_initial_weights", "initial weights are drawn by a rank's own index, not the whole's",
          "trainer/model/initialise.cpp",
          "result += (index % slice.shape[d] + slice.offset[d]) * stride;",
          'result += (index % slice.shape[d] + (fault("local_initial_weights") ? 0 : slice.offset[d])) * stride;'),
    Fault("positions_of_first_chunk", "context ranks think that their tokens are a row's first",
          "trainer/rows.cpp",
          "cut(whole(batch.loss_mask)),\n          cut(whole(batch.positions)),",
          "cut(whole(batch.loss_mask)),\n"
          "          fault(\"positions_of_first_chunk\") && cut.ranks > 1\n"
          "              ? whole(batch.positions).narrow(1, 0, batch.time / cut.ranks)\n"
          "              : cut(whole(batch.positions)),"),
    Fault("ring_backwards", "keys are taken for those of the rank on the other side",
          "parallel/ring.cpp",
          "return Rank((group.rank().value() + group.size() - step) % group.size());",
          "return Rank((group.rank().value() + (fault(\"ring_backwards\") ? step : group.size() - step)) % group.size());"),
    Fault("ring_gradient_not_home", "the gradients of keys stay one rank short of home",
          "parallel/ring.cpp",
          "return sums ? sums->finish() : sum;",
          "at::Tensor home = sums ? sums->finish() : sum;\n"
          '  return fault("ring_gradient_not_home") ? sum : home;'),
    Fault("ring_forgets_documents", "the second chunk's document boundaries are those of the first",
          "trainer/kernels/ring_attention.cpp",
          "before(owner).add_(before(chunks_ - 1 - owner));",
          'before(owner).add_(before(fault("ring_forgets_documents") ? owner : chunks_ - 1 - owner));'),
    Fault("ulysses_forgets_documents", "heads look across documents where ranks share rows by heads",
          "trainer/kernels/ulysses_attention.cpp",
          "whole_rows(repeated(value)), first_keys);",
          'whole_rows(repeated(value)), fault("ulysses_forgets_documents") ? at::Tensor() : first_keys);'),
    Fault("experts_in_another_order", "tokens lie in another order on their way to their experts",
          "parallel/expert_dispatch.cpp",
          "places->sent = at::tensor(sent, at::kLong);",
          'places->sent = at::tensor(sent, at::kLong);\n'
          '  if (fault("experts_in_another_order")) places->sent = places->sent.flip(0);'),
    Fault("expert_gradient_lost", "gradients do not come back from the owners of experts",
          "parallel/expert_dispatch.cpp",
          "[p = places_](const at::Tensor& x) { return p->exchange(x, p->sent, p->received); },\n"
          "      [p = places_](const at::Tensor& x) { return p->exchange(x, p->received, p->sent); });",
          "[p = places_](const at::Tensor& x) { return p->exchange(x, p->sent, p->received); },\n"
          "      [p = places_](const at::Tensor& x) {\n"
          "        at::Tensor back = p->exchange(x, p->received, p->sent);\n"
          '        return fault("expert_gradient_lost") ? back.zero_() : back;\n'
          "      });"),
    Fault("balance_of_one_rank", "each rank moves the experts' bias by its own tokens",
          "trainer/expert_balance.cpp",
          "  world.all_reduce(loads);\n",
          '  if (!fault("balance_of_one_rank")) world.all_reduce(loads);\n'),
    Fault("pressure_of_one_shard", "the load-balancing loss sees the rank's own shard of each row",
          "trainer/model/router.cpp",
          "  sum_over(sharers.tensor, counts);\n",
          '  if (!fault("pressure_of_one_shard")) sum_over(sharers.tensor, counts);\n'),
    Fault("capacity_of_one_shard", "an expert's capacity is counted over the rank's own place in the row",
          "trainer/model/capacity.cpp",
          "int64_t here = rank_in(part.context) * size_of(part.tensor) + rank_in(part.tensor);",
          "int64_t here = fault(\"capacity_of_one_shard\")\n"
          "                     ? 0 : rank_in(part.context) * size_of(part.tensor) + rank_in(part.tensor);"),
    Fault("swapped_slices", "Muon puts a matrix together from its ranks' slices in the wrong order",
          "trainer/optimizer/whole_gradient.cpp",
          "box_of(whole, place.slices[r]).copy_(",
          'box_of(whole, place.slices[fault("swapped_slices") ? place.slices.size() - 1 - r : r]).copy_(',
          ("trainer_test", "*OptimizerLayouts*:*ShardedRules*")),
    Fault("checkpoint_box", "a checkpoint puts a slice's ranges at the head of the whole",
          "trainer/optimizer/owned_piece.cpp",
          "box.offset[d] += slice.offset[d];",
          'box.offset[d] += fault("checkpoint_box") ? 0 : slice.offset[d];',
          ("parity_test", "*Reshard*")),
]
