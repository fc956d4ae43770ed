"""What checks of adapters share: peft loads one onto a BERT base without a complaint, and merges it."""
import warnings

import torch
from peft import PeftModel
from transformers import BertConfig, BertForSequenceClassification


def merged(base, adapter, labels):
    """The tensors of BASE with a head of so many labels, before and after ADAPTER is merged into it."""
    config = BertConfig.from_pretrained(base, num_labels=labels)
    torch.manual_seed(1)
    model = BertForSequenceClassification.from_pretrained(base, config=config, dtype=torch.float32)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = PeftModel.from_pretrained(model, adapter)
    said = [str(w.message) for w in caught if "missing" in str(w.message).lower() or "unexpected" in str(w.message).lower()]
    assert not said, said
    return before, model.merge_and_unload().state_dict()
