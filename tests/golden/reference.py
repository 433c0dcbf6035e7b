"""What the make_*.py scripts share: the weight formula, tiny models of Hugging Face transformers under our
parameter names, arithmetic in 64 bits throughout, and the JSON writer.

Needs: Python 3.11, torch 2.11.0 (CPU is enough), transformers 4.57.6, numpy 2.x.
"""

import json
import math
import pathlib
from contextlib import contextmanager

import torch
import transformers
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    MixtralConfig,
    MixtralForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3MoeConfig,
    Qwen3MoeForCausalLM,
)

FOLDER = pathlib.Path(__file__).resolve().parent
FORMULA = (
    "weight[i] = centre + scale * u(key, i), i the flat row-major index; u = 2 * (mix(key * 2^32 + i) >> 11) "
    "/ 2^53 - 1 lies in [-1, 1); mix is SplitMix64: z = x + 0x9E3779B97F4A7C15; "
    "z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9; z = (z ^ (z >> 27)) * 0x94D049BB133111EB; z ^ (z >> 31), "
    "all modulo 2^64. key is the place of the parameter's name in sorted order, from 1"
)
MASK = (1 << 64) - 1


def mix(x):
    z = (x + 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def unit(key, i):
    """A number in [-1, 1), exact in fp64."""
    return 2.0 * ((mix((key << 32) + i) >> 11) / 9007199254740992.0) - 1.0


def weight_values(entry):
    count = math.prod(entry["shape"])
    values = [entry["centre"] + entry["scale"] * unit(entry["key"], i) for i in range(count)]
    return torch.tensor(values, dtype=torch.float64).reshape(entry["shape"])


@contextmanager
def wide():
    """Hugging Face's models ask for fp32 in norms, rotary angles and softmax; here they get fp64 instead."""
    saved = torch.float32, torch.float, torch.Tensor.float, torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    torch.float32, torch.float, torch.Tensor.float = torch.float64, torch.float64, torch.Tensor.double
    try:
        yield
    finally:
        torch.float32, torch.float, torch.Tensor.float = saved[:3]
        torch.set_default_dtype(saved[3])


LLAMA = dict(
    kind="llama",
    vocabulary=64,
    width=32,
    layers=2,
    heads=4,
    kv_heads=2,
    ffn_width=48,
    context=16,
    rotary_base=10000.0,
    norm_epsilon=1e-5,
    tied_embeddings=False,
    qk_norm=False,
)
QWEN2 = LLAMA | dict(query_key_value_bias=True, tied_embeddings=True, rotary_base=1e6)
QWEN3 = LLAMA | dict(qk_norm=True, head_width=12, rotary_base=1e6)
LLAMA3 = LLAMA | dict(
    rotary_base=500.0,
    rotary_scaling=dict(
        kind="llama3", factor=4.0, low_frequency=1.0, high_frequency=4.0, original_context=64
    ),
    query_key_value_bias=True,
    attention_output_bias=True,
    feed_forward_bias=True,
)
MISTRAL = LLAMA | dict(sliding_window=5, rotary_scaling=dict(kind="linear", factor=2.0))
MIXTRAL = LLAMA | dict(experts=dict(count=4, per_token=2, ffn_width=48, normalise=True))
# With this base no token's choice of experts is close: a small step changes none (see check_gradient).
QWEN3_MOE = QWEN3 | dict(
    layers=3,
    rotary_base=5e4,
    experts=dict(count=8, per_token=3, ffn_width=20, normalise=False, first_layer=1, every=1),
)
GPT2 = dict(
    kind="gpt2",
    vocabulary=64,
    width=32,
    layers=2,
    heads=4,
    kv_heads=4,
    ffn_width=128,
    context=16,
    norm_epsilon=1e-5,
    tied_embeddings=True,
)


def has_experts(model, layer):
    experts = model.get("experts")
    return experts is not None and layer >= experts.get("first_layer", 0)


def shapes(model):
    """Our parameters: name -> shape."""
    c, f, v = model["width"], model["ffn_width"], model["vocabulary"]
    d = model.get("head_width", c // model["heads"])
    gpt2 = model["kind"] == "gpt2"
    result = {"embedding.weight": [v, c]}

    def linear(name, rows, columns, bias):
        result[name + ".weight"] = [rows, columns]
        if gpt2 or model.get(bias):
            result[name + ".bias"] = [rows]

    def norm(name, width):
        result[name + ".weight"] = [width]
        if gpt2:
            result[name + ".bias"] = [width]

    if gpt2:
        result["position_embedding.weight"] = [model["context"], c]
    for n in range(model["layers"]):
        block = f"blocks.{n}."
        norm(block + "attention_norm", c)
        linear(block + "attention.query", model["heads"] * d, c, "query_key_value_bias")
        linear(block + "attention.key", model["kv_heads"] * d, c, "query_key_value_bias")
        linear(block + "attention.value", model["kv_heads"] * d, c, "query_key_value_bias")
        linear(block + "attention.output", c, model["heads"] * d, "attention_output_bias")
        if model.get("qk_norm"):
            result[block + "attention.query_norm.weight"] = [d]
            result[block + "attention.key_norm.weight"] = [d]
        if has_experts(model, n):
            e, hidden = model["experts"]["count"], model["experts"]["ffn_width"]
            norm(block + "experts_norm", c)
            result[block + "experts.router.weight"] = [e, c]
            result[block + "experts.gate.weight"] = result[block + "experts.up.weight"] = [e, hidden, c]
            result[block + "experts.down.weight"] = [e, c, hidden]
            continue
        norm(block + "feed_forward_norm", c)
        if not gpt2:
            linear(block + "feed_forward.gate", f, c, "feed_forward_bias")
        linear(block + "feed_forward.up", f, c, "feed_forward_bias")
        linear(block + "feed_forward.down", c, f, "feed_forward_bias")
    norm("final_norm", c)
    if not model["tied_embeddings"]:
        result["output.weight"] = [v, c]
    return result


def parameter_table(model):
    """name -> shape, key, centre, scale, and the first two values so that a reader can check its formula."""
    table = {}
    for key, (name, shape) in enumerate(sorted(shapes(model).items()), start=1):
        norm_weight = "norm" in name and name.endswith(".weight")
        entry = dict(
            shape=shape,
            key=key,
            centre=1.0 if norm_weight else 0.0,
            scale=0.1 if len(shape) == 1 else 0.5 if "embedding" in name else 0.3,
        )
        entry["first"] = weight_values(entry).flatten()[:2].tolist()
        table[name] = entry
    return table


def build(model):
    """A Hugging Face model of this shape in fp64. Call inside wide()."""
    if model["kind"] == "gpt2":
        config = GPT2Config(
            vocab_size=model["vocabulary"],
            n_embd=model["width"],
            n_layer=model["layers"],
            n_head=model["heads"],
            n_positions=model["context"],
            n_inner=model["ffn_width"],
            activation_function="gelu_new",
            layer_norm_epsilon=model["norm_epsilon"],
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            attn_implementation="eager",
        )
        return GPT2LMHeadModel(config).double().train()
    settings = dict(
        vocab_size=model["vocabulary"],
        hidden_size=model["width"],
        num_hidden_layers=model["layers"],
        num_attention_heads=model["heads"],
        num_key_value_heads=model["kv_heads"],
        intermediate_size=model["ffn_width"],
        max_position_embeddings=model["context"],
        rope_theta=model["rotary_base"],
        rms_norm_eps=model["norm_epsilon"],
        tie_word_embeddings=model["tied_embeddings"],
        attn_implementation="eager",
        head_dim=model.get("head_width", model["width"] // model["heads"]),
    )
    if "rotary_scaling" in model:
        settings["rope_scaling"] = rope_scaling(model["rotary_scaling"])
    if "experts" in model:
        return build_mixture(model, settings)
    if model.get("sliding_window"):
        config = MistralConfig(**settings, sliding_window=model["sliding_window"])
        return MistralForCausalLM(config).double().train()
    if model["qk_norm"]:
        return Qwen3ForCausalLM(Qwen3Config(**settings)).double().train()
    every_bias = model.get("attention_output_bias", False)
    if model.get("query_key_value_bias") and not every_bias:
        return Qwen2ForCausalLM(Qwen2Config(**settings)).double().train()
    settings |= dict(attention_bias=every_bias, mlp_bias=model.get("feed_forward_bias", False))
    return LlamaForCausalLM(LlamaConfig(**settings)).double().train()


def build_mixture(model, settings):
    experts = model["experts"]
    settings |= dict(num_experts_per_tok=experts["per_token"])
    if not model["qk_norm"]:
        network = MixtralForCausalLM(MixtralConfig(**settings, num_local_experts=experts["count"]))
        blocks = [layer.block_sparse_moe for layer in network.model.layers]
    else:
        config = Qwen3MoeConfig(
            **settings,
            num_experts=experts["count"],
            moe_intermediate_size=experts["ffn_width"],
            norm_topk_prob=experts["normalise"],
            mlp_only_layers=list(range(experts["first_layer"])),
        )
        network = Qwen3MoeForCausalLM(config)
        blocks = [layer.mlp for layer in network.model.layers[experts["first_layer"] :]]
    network = network.double().train()
    for block in blocks:
        stack_experts(block.experts)
    return network


def stack_experts(experts):
    """Puts each kind of the experts' matrices into one memory, so that one view shows them all."""
    for name, _ in list(experts[0].named_children()):
        if not hasattr(getattr(experts[0], name), "weight"):
            continue
        whole = torch.stack([getattr(expert, name).weight.detach() for expert in experts])
        for expert, weight in zip(experts, whole):
            getattr(expert, name).weight = torch.nn.Parameter(weight)


def stacked(pieces):
    """All experts' matrices as one tensor: a view where they lie in one memory. Gradients may be none."""
    shape = next(piece.shape for piece in pieces if piece is not None)
    size = math.prod(shape)
    lie = [None if piece is None else piece.data_ptr() for piece in pieces]
    if None not in lie and all(p == lie[0] + i * size * pieces[0].element_size() for i, p in enumerate(lie)):
        return pieces[0].as_strided((len(pieces), *shape), (size, *pieces[0].stride()))
    return torch.stack([torch.zeros(shape) if piece is None else piece for piece in pieces])


def rope_scaling(scaling):
    if scaling["kind"] == "linear":
        return dict(rope_type="linear", factor=scaling["factor"])
    return dict(
        rope_type="llama3",
        factor=scaling["factor"],
        low_freq_factor=scaling["low_frequency"],
        high_freq_factor=scaling["high_frequency"],
        original_max_position_embeddings=scaling["original_context"],
    )


def _llama_names(name):
    for ours, theirs in (
        ("embedding.weight", "model.embed_tokens.weight"),
        ("final_norm.weight", "model.norm.weight"),
        ("output.weight", "lm_head.weight"),
    ):
        if name == ours:
            return theirs
    for ours, theirs in (
        ("blocks.", "model.layers."),
        ("attention_norm", "input_layernorm"),
        ("feed_forward_norm", "post_attention_layernorm"),
        ("attention.query_norm", "self_attn.q_norm"),
        ("attention.key_norm", "self_attn.k_norm"),
        ("attention.query", "self_attn.q_proj"),
        ("attention.key", "self_attn.k_proj"),
        ("attention.value", "self_attn.v_proj"),
        ("attention.output", "self_attn.o_proj"),
        ("feed_forward.", "mlp."),
        (".gate.", ".gate_proj."),
        (".up.", ".up_proj."),
        (".down.", ".down_proj."),
    ):
        name = name.replace(ours, theirs)
    return name


def expert_view(model, tensors, name):
    _, layer, place, *rest = name.split(".")
    block = f"model.layers.{layer}."
    if place == "experts_norm":
        return tensors[block + "post_attention_layernorm.weight"]
    mixtral = not model["qk_norm"]
    block += "block_sparse_moe." if mixtral else "mlp."
    if rest[0] == "router":
        return tensors[block + "gate.weight"]
    matrix = {"gate": "w1", "up": "w3", "down": "w2"}[rest[0]] if mixtral else rest[0] + "_proj"
    count = model["experts"]["count"]
    return stacked([tensors[f"{block}experts.{e}.{matrix}.weight"] for e in range(count)])


def views(model, tensors):
    """Our name -> the view of their tensors that it stands for. `tensors` is their name -> tensor."""
    result = {}
    c = model["width"]
    for name in shapes(model):
        if ".experts" in name:
            result[name] = expert_view(model, tensors, name)
            continue
        if model["kind"] == "llama":
            result[name] = tensors[_llama_names(name)]
            continue
        if name == "embedding.weight":
            result[name] = tensors["transformer.wte.weight"]
        elif name == "position_embedding.weight":
            result[name] = tensors["transformer.wpe.weight"]
        elif name.startswith("final_norm"):
            result[name] = tensors["transformer.ln_f." + name.split(".")[-1]]
        else:
            _, block, *place, kind = name.split(".")
            theirs = {
                "attention_norm": "ln_1",
                "feed_forward_norm": "ln_2",
                "attention.output": "attn.c_proj",
                "feed_forward.up": "mlp.c_fc",
                "feed_forward.down": "mlp.c_proj",
            }.get(".".join(place), "attn.c_attn")
            tensor = tensors[f"transformer.h.{block}.{theirs}.{kind}"]
            if theirs == "attn.c_attn":  # [in, 3 out] fused
                part = ["query", "key", "value"].index(place[-1])
                tensor = tensor[..., part * c : (part + 1) * c]
            result[name] = tensor.T if tensor.dim() == 2 else tensor
    return result


def fill(model, network, table):
    with torch.no_grad():
        for name, view in views(model, dict(network.named_parameters())).items():
            view.copy_(weight_values(table[name]))


def gradients(model, network):
    return views(model, {name: p.grad for name, p in network.named_parameters()})


def summary(tensor):
    flat = tensor.detach().reshape(-1)
    return dict(l2=flat.norm().item(), sum=flat.sum().item(), first=flat[:8].tolist())


def global_norm(tensors):
    return math.sqrt(sum(t.detach().square().sum().item() for t in tensors.values()))


def made_by(script):
    return dict(
        script=pathlib.Path(script).name,
        torch=torch.__version__.split("+")[0],
        transformers=transformers.__version__,
    )


def write(name, value):
    def lines(node, depth):
        pad = " " * depth
        if isinstance(node, dict) and depth < 3:
            inside = ",\n".join(f"{pad} {json.dumps(k)}: {lines(v, depth + 1)}" for k, v in node.items())
            return "{\n" + inside + "\n" + pad + "}"
        if isinstance(node, list) and node and isinstance(node[0], dict):
            return "[\n" + ",\n".join(f"{pad} {json.dumps(entry)}" for entry in node) + "\n" + pad + "]"
        return json.dumps(node)

    path = FOLDER / name
    path.write_text(lines(value, 0) + "\n")
    print(f"{path.name}: {path.stat().st_size} bytes")
