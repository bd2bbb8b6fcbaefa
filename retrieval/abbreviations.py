"""Abbreviations of the field, and names that are typed in one, written out where a question holds little else.

People in a hurry type `knn`, `gmm pros and cons` or `ttest`. Few of these are known to an encoder of 2021, and notes
write them out. A longer question has its sense without them, and would lose by it: answers write SVM as people ask it.
"""

from __future__ import annotations

import re

from retrieval.lexical import words

_TERSE = 3  # words of a question, stop words left out; with four, qa_ajitsingh98 loses .2 points of recall@5
_NAME = re.compile(r"(?<![\w-])\w+(?![\w-])")

# Left out are those that mean two things here (LDA, CV, LR, MAP), that are words (rope), and that notes write as people
# ask them (AUC, LLM).
LONG_FORMS = {
    "ann": "approximate nearest neighbors",
    "anova": "analysis of variance",
    "asr": "automatic speech recognition",
    "awq": "activation-aware weight quantization",
    "backprop": "backpropagation",
    "batchnorm": "batch normalization",
    "bfs": "breadth-first search",
    "bn": "batch normalization",
    "bpe": "byte-pair encoding",
    "bptt": "backpropagation through time",
    "bst": "binary search tree",
    "cate": "conditional average treatment effect",
    "cdc": "change data capture",
    "cdf": "cumulative distribution function",
    "cfg": "classifier-free guidance",
    "clt": "central limit theorem",
    "clv": "customer lifetime value",
    "cnn": "convolutional neural network",
    "cot": "chain of thought",
    "crf": "conditional random field",
    "crossentropy": "cross-entropy",
    "crossvalidation": "cross-validation",
    "ctc": "connectionist temporal classification",
    "cte": "common table expression",
    "ctr": "click-through rate",
    "ddp": "distributed data parallel",
    "ddpm": "denoising diffusion probabilistic model",
    "decisiontree": "decision tree",
    "dfs": "depth-first search",
    "dl": "deep learning",
    "dnn": "deep neural network",
    "dpo": "direct preference optimization",
    "dqn": "deep Q-network",
    "eda": "exploratory data analysis",
    "elbo": "evidence lower bound",
    "ema": "exponential moving average",
    "etl": "extract, transform, load",
    "f1score": "F1 score",
    "ffn": "feed-forward network",
    "fpr": "false positive rate",
    "fsdp": "fully sharded data parallel",
    "gan": "generative adversarial network",
    "gbdt": "gradient-boosted decision trees",
    "gbm": "gradient boosting machine",
    "gcn": "graph convolutional network",
    "gil": "global interpreter lock",
    "glm": "generalized linear model",
    "gmm": "Gaussian mixture model",
    "gnn": "graph neural network",
    "gqa": "grouped-query attention",
    "gridsearch": "grid search",
    "gru": "gated recurrent unit",
    "hashmap": "hash map",
    "hmm": "hidden Markov model",
    "hnsw": "hierarchical navigable small world",
    "hte": "heterogeneous treatment effects",
    "icl": "in-context learning",
    "idf": "inverse document frequency",
    "iou": "intersection over union",
    "ipw": "inverse probability weighting",
    "iqr": "interquartile range",
    "itt": "intention to treat",
    "kd": "knowledge distillation",
    "kde": "kernel density estimation",
    "kfold": "k-fold",
    "kl": "Kullback-Leibler divergence",
    "kmeans": "k-means",
    "knn": "k-nearest neighbors",
    "layernorm": "layer normalization",
    "linkedlist": "linked list",
    "lora": "low-rank adaptation",
    "lsh": "locality-sensitive hashing",
    "lstm": "long short-term memory",
    "ltr": "learning to rank",
    "ltv": "customer lifetime value",
    "mab": "multi-armed bandit",
    "mae": "mean absolute error",
    "mape": "mean absolute percentage error",
    "mcar": "missing completely at random",
    "mcmc": "Markov chain Monte Carlo",
    "mde": "minimum detectable effect",
    "mdp": "Markov decision process",
    "mha": "multi-head attention",
    "mice": "multiple imputation by chained equations",
    "mle": "maximum likelihood estimation",
    "mlm": "masked language modeling",
    "mlp": "multilayer perceptron",
    "mnar": "missing not at random",
    "moe": "mixture of experts",
    "mqa": "multi-query attention",
    "mrf": "Markov random field",
    "mrr": "mean reciprocal rank",
    "mse": "mean squared error",
    "mtl": "multi-task learning",
    "nas": "neural architecture search",
    "ner": "named entity recognition",
    "ngram": "n-gram",
    "nlp": "natural language processing",
    "nmf": "non-negative matrix factorization",
    "nms": "non-maximum suppression",
    "nmt": "neural machine translation",
    "ols": "ordinary least squares",
    "onehot": "one-hot encoding",
    "oom": "out of memory",
    "oop": "object-oriented programming",
    "oov": "out-of-vocabulary words",
    "ope": "off-policy evaluation",
    "pca": "principal component analysis",
    "peft": "parameter-efficient fine-tuning",
    "ppo": "proximal policy optimization",
    "prauc": "area under the precision-recall curve",
    "psi": "population stability index",
    "psm": "propensity score matching",
    "ptq": "post-training quantization",
    "pvalue": "p-value",
    "qat": "quantization-aware training",
    "qkv": "query, key and value",
    "rag": "retrieval-augmented generation",
    "randomforest": "random forest",
    "rbf": "radial basis function",
    "rct": "randomized controlled trial",
    "rdd": "regression discontinuity design",
    "rfe": "recursive feature elimination",
    "rl": "reinforcement learning",
    "rlhf": "reinforcement learning from human feedback",
    "rmse": "root mean squared error",
    "rnn": "recurrent neural network",
    "rrf": "reciprocal rank fusion",
    "seq2seq": "sequence-to-sequence",
    "sft": "supervised fine-tuning",
    "sgd": "stochastic gradient descent",
    "slo": "service level objective",
    "srm": "sample ratio mismatch",
    "ssl": "self-supervised learning",
    "svc": "support vector classifier",
    "svd": "singular value decomposition",
    "svm": "support vector machine",
    "svr": "support vector regression",
    "tdd": "test-driven development",
    "tfidf": "term frequency inverse document frequency",
    "timeseries": "time series",
    "tpot": "time per output token",
    "tpr": "true positive rate",
    "tsne": "t-SNE",
    "ttest": "t-test",
    "ttft": "time to first token",
    "ucb": "upper confidence bound",
    "unet": "U-Net",
    "vae": "variational autoencoder",
    "vif": "variance inflation factor",
    "vit": "vision transformer",
    "vlm": "vision-language model",
    "vqvae": "vector-quantized variational autoencoder",
    "vram": "GPU memory",
    "wer": "word error rate",
    "wgan": "Wasserstein GAN",
    "xai": "explainable AI",
    "zscore": "z-score",
}


def written_out(query: str) -> str:
    """Return a terse question with the long form in the place of each abbreviation, any other as it is."""
    return _replaced(query, "{long}")


def glossed(query: str) -> str:
    """Return a terse question with each abbreviation behind its long form, any other as it is."""
    return _replaced(query, "{long} ({name})")


def _replaced(query: str, form: str) -> str:
    if len(set(words(query))) > _TERSE:
        return query
    said = _joined(query)

    def long_form(match: re.Match[str]) -> str:
        name = match.group()
        long = LONG_FORMS.get(name.lower()) or LONG_FORMS.get(name.lower().removesuffix("s"))
        return form.format(long=long, name=name) if long and _joined(long) not in said else name

    return _NAME.sub(long_form, query)


def _joined(text: str) -> str:
    return " ".join(text.lower().replace("-", " ").split())
