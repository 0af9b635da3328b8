using System.Collections.Frozen;
using System.Text.Json;
using System.Text.Json.Nodes;
using Monosemantic.Runtime;

namespace Monosemantic.Dictionaries.Formats;

/// <summary>
/// SAELens' cfg.json in all its versions: since 6 with a <c>metadata</c> object, before that flat, before 3 with other
/// names. A key may stand at either place; if it stands at both with different values, that is an error.
/// </summary>
internal sealed record SaeLensConfig
{
    // Training settings, and what is said of training in runner configs: nothing of it changes what is computed.
    private static readonly FrozenSet<string> Inert = FrozenSet.ToFrozenSet(
    [
        "device", "model_class_name", "hook_layer", "hook_point_layer", "hook_head_index", "hook_point_head_index", "dataset_trust_remote_code", "model_from_pretrained_kwargs", "seqpos_slice", "neuronpedia_id", "sae_lens_version", "sae_lens_training_version",
        "decoder_init_norm", "l1_coefficient", "lp_norm", "l1_warm_up_steps", "jumprelu_init_threshold", "jumprelu_bandwidth", "jumprelu_sparsity_loss_mode", "l0_coefficient", "l0_warm_up_steps", "pre_act_loss_coefficient", "jumprelu_tanh_scale",
        "use_sparse_activations", "aux_loss_coefficient", "topk_threshold_lr", "matryoshka_widths", "use_matryoshka_aux_loss", "use_ghost_grads", "normalize_sae_decoder", "noise_scale", "decoder_orthogonal_init", "mse_loss_normalization",
        "decoder_heuristic_init", "decoder_heuristic_init_norm", "init_encoder_as_decoder_transpose", "scale_sparsity_penalty_by_decoder_norm", "b_dec_init_method", "apply_b_dec_to_input_init", "hook_eval", "streaming", "is_dataset_tokenized",
        "use_cached_activations", "cached_activations_path", "from_pretrained_path", "n_batches_in_buffer", "training_tokens", "finetuning_tokens", "store_batch_size_prompts", "train_batch_size_prompts", "train_batch_size_tokens", "train_batch_size", "store_batch_size",
        "act_store_device", "seed", "prepend_bos_token", "autocast", "autocast_lm", "compile_llm", "llm_compilation_mode", "compile_sae", "sae_compilation_mode", "adam_beta1", "adam_beta2", "lr", "lr_scheduler_name", "lr_warm_up_steps", "lr_end", "lr_decay_steps",
        "n_restart_cycles", "finetuning_method", "dead_feature_window", "feature_sampling_window", "dead_feature_threshold", "n_eval_batches", "eval_batch_size_prompts", "log_to_wandb", "log_activations_store_to_wandb", "log_optimizer_state_to_wandb", "wandb_project",
        "wandb_id", "run_name", "wandb_entity", "wandb_log_frequency", "eval_every_n_wandb_logs", "resume", "n_checkpoints", "checkpoint_path", "verbose", "model_kwargs", "tokens_per_buffer", "exclude_special_tokens", "disable_concat_sequences", "sequence_separator_token",
        "training_architecture", "training_architecture_details", "hook_head_index_out",
    ]);

    internal required string Architecture { get; init; }

    internal required SaeConfig Config { get; init; }

    internal required SaeOrigin Origin { get; init; }

    /// <summary>Whether features are ranked and stored times the lengths of their decoder rows.</summary>
    internal bool RescalesByNorm { get; init; }

    /// <summary>Reads the config; the source's scale of inputs is not known here.</summary>
    internal static SaeLensConfig Of(ForeignConfig cfg)
    {
        ForeignConfig? metadata = cfg.Section("metadata");
        string architecture = ArchitectureOf(cfg);
        int dIn = cfg.Required("d_in");
        string hook = Either(cfg, metadata, "hook_name", "hook_point") ?? "";
        string? hookOut = Either(cfg, metadata, "hook_name_out");
        string normalise = NormalisationOf(cfg);
        bool transcoder = architecture.EndsWith("transcoder", StringComparison.Ordinal);
        if (transcoder && normalise is "layer_norm" or "constant_norm_rescale") throw cfg.Bad("normalize_activations", "a transcoder's outputs have no such scale");
        if (cfg.Text("reshape_activations") is not (null or "none" or "hook_z")) throw cfg.Bad("reshape_activations", "known are none and hook_z");
        SaeOrigin origin = new()
        {
            Format = "saelens",
            Model = Either(cfg, metadata, "model_name"),
            Dataset = Either(cfg, metadata, "dataset_path"),
            ContextSize = metadata?.Count("context_size") ?? cfg.Count("context_size"),
            PrependBos = metadata?.FlagOrNull("prepend_bos") ?? cfg.FlagOrNull("prepend_bos"),
            Dtype = cfg.Text("dtype")?.Replace("torch.", "", StringComparison.Ordinal),
            InputsNeedScale = normalise == "expected_average_only_in",
        };
        bool pursuit = architecture == "matching_pursuit";
        if (pursuit && !cfg.Flag("stop_on_duplicate_support", true)) throw cfg.Bad("stop_on_duplicate_support", "it must be true");
        SaeLensConfig read = new()
        {
            Architecture = architecture,
            Origin = origin,
            RescalesByNorm = cfg.Flag("rescale_acts_by_decoder_norm", false) && architecture is "topk" or "batchtopk" or "matryoshka_batchtopk",
            Config = new SaeConfig
            {
                Architecture = NativeName(architecture),
                DModel = dIn,
                DOut = cfg.Count("d_out") is { } dOut && dOut != dIn ? dOut : null,
                DSae = cfg.Count("d_sae") ?? cfg.Times("expansion_factor", dIn),
                K = KOf(cfg, architecture),
                SubtractBDec = cfg.Flag("apply_b_dec_to_input", true),
                SkipConnection = architecture.EndsWith("skip_transcoder", StringComparison.Ordinal),
                InputNormalisation = normalise switch { "layer_norm" => InputNormalisation.LayerNorm, "constant_norm_rescale" => InputNormalisation.ConstantNorm, _ => InputNormalisation.None },
                ResidualThreshold = pursuit ? cfg.Number("residual_threshold") ?? 0.01 : 0.01,
                HookPoint = hook,
                HookPointOut = hookOut,
            },
        };
        cfg.Pass(Inert);
        cfg.Pass("expansion_factor", "finetuning_scaling_factor", "activation_fn_kwargs");
        return read;
    }

    /// <summary>The <c>metadata</c> of a config to write: what the source said, with the hook points as they are now.</summary>
    internal static JsonObject Metadata(SparseAutoencoder sae)
    {
        SaeOrigin? origin = sae.Provenance.Origin;
        JsonObject metadata = new() { ["sae_lens_version"] = SaeLensFormat.Version, ["sae_lens_training_version"] = null };
        if (origin is { Format: "saelens", Config: { } config })
        {
            bool nested = config.TryGetProperty("metadata", out JsonElement old) && old.ValueKind == JsonValueKind.Object;
            foreach (JsonProperty property in (nested ? old : config).EnumerateObject())
            {
                bool kept = nested || property.Name is "model_class_name" or "hook_head_index" or "model_from_pretrained_kwargs" or "exclude_special_tokens" or "neuronpedia_id" or "seqpos_slice" or "sae_lens_training_version";
                if (kept && !(property.Name == "sae_lens_version" && !nested)) metadata[property.Name] = JsonNode.Parse(property.Value.GetRawText());
            }
        }
        metadata["hook_name"] = sae.Config.HookPoint.Length > 0 ? sae.Config.HookPoint : null;
        if (sae.Config.HookPointOut is { } output) metadata["hook_name_out"] = output;
        if (origin?.Model is { } model) metadata["model_name"] = model;
        if (origin?.Dataset is { } dataset) metadata["dataset_path"] = dataset;
        if (origin?.ContextSize is { } context) metadata["context_size"] = context;
        if (origin?.PrependBos is { } bos) metadata["prepend_bos"] = bos;
        return metadata;
    }

    private static string NativeName(string architecture) => architecture switch
    {
        "standard" or "transcoder" or "skip_transcoder" => "relu",
        "jumprelu_transcoder" or "jumprelu_skip_transcoder" or "batchtopk" or "matryoshka_batchtopk" => "jumprelu",
        _ => architecture,
    };

    private static string ArchitectureOf(ForeignConfig cfg)
    {
        string architecture = cfg.Text("architecture") ?? "standard", activation = cfg.Text("activation_fn") ?? cfg.Text("activation_fn_str") ?? "relu";
        if (activation is not ("relu" or "topk")) throw cfg.Bad(cfg.Has("activation_fn") ? "activation_fn" : "activation_fn_str", "known are relu and topk");
        if (activation == "topk") architecture = architecture is "standard" or "topk" ? "topk" : throw cfg.Bad("architecture", "with the activation function topk it must be standard");
        bool known = architecture is "standard" or "gated" or "jumprelu" or "topk" or "batchtopk" or "matryoshka_batchtopk" or "transcoder" or "skip_transcoder" or "jumprelu_transcoder" or "jumprelu_skip_transcoder" or "matching_pursuit";
        return known ? architecture : throw cfg.Bad("architecture", "computed here are standard, gated, jumprelu, topk, batchtopk, matryoshka_batchtopk, matching_pursuit, transcoder, skip_transcoder, jumprelu_transcoder, jumprelu_skip_transcoder");
    }

    private static string NormalisationOf(ForeignConfig cfg)
    {
        JsonElement? value = cfg.Raw("normalize_activations");
        string normalise = value switch
        {
            null or { ValueKind: JsonValueKind.False } => "none",
            { ValueKind: JsonValueKind.True } => "expected_average_only_in",
            _ => cfg.Text("normalize_activations")!,
        };
        return normalise is "none" or "expected_average_only_in" or "layer_norm" or "constant_norm_rescale" ? normalise : throw cfg.Bad("normalize_activations", "known are none, expected_average_only_in, layer_norm and constant_norm_rescale");
    }

    private static int KOf(ForeignConfig cfg, string architecture)
    {
        ForeignConfig? kwargs = cfg.Section("activation_fn_kwargs");
        if (architecture == "matching_pursuit") return cfg.Count("max_iterations") ?? 0;
        if (architecture != "topk")
        {
            cfg.Pass("k");
            return 0;
        }
        return kwargs?.Count("k") ?? cfg.Required("k");
    }

    // Metadata came in with version 6; before, everything stood side by side.
    private static string? Either(ForeignConfig cfg, ForeignConfig? metadata, params string[] names)
    {
        string? found = null;
        foreach (string? value in names.SelectMany(name => new[] { metadata?.Text(name), cfg.Text(name) }))
        {
            if (value is null) continue;
            if (found is not null && found != value) throw cfg.Bad(names[0], $"elsewhere in the file it is {Printable.Of(found)}");
            found = value;
        }
        return found;
    }
}
