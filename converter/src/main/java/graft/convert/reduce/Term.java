package graft.convert.reduce;

import graft.formats.peft.LoraModule;
import graft.formats.peft.PeftAdapter;

/** One adapter's share of one module of a sum. */
record Term(ReduceRequest.Source source, PeftAdapter adapter, LoraModule module) {}
