using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Monosemantic.Activations;
using Monosemantic.Dictionaries;
using Monosemantic.Runtime;
using static TorchSharp.torch;

namespace Monosemantic.Metrics;

/// <summary>
/// The same numbers under SAEBench's names (eval type <c>core</c>), to be read by tools that know them. What is undefined is
/// -1, as there; what SAEBench counts by prompts is counted by documents here.
/// </summary>
internal static class SaeBenchCore
{
    private const int Digits = 10;

    /// <summary>The file's content.</summary>
    /// <param name="result">The finished evaluation.</param>
    /// <param name="pass">The pass it came from.</param>
    /// <param name="geometry">The dictionary's geometry.</param>
    /// <param name="sae">The dictionary.</param>
    /// <param name="plan">How the activations were made.</param>
    internal static JsonObject Of(EvaluationResult result, DictionaryPass pass, DecoderGeometry geometry, SparseAutoencoder sae, StorePlan plan)
    {
        double kl = Number("kl_spliced"), klZero = Number("kl_zero_ablation");
        bool model = result.CrossEntropy is not null;
        var metrics = new JsonObject
        {
            ["model_behavior_preservation"] = Group(("kl_div_score", model ? (klZero - kl) / klZero : -1), ("kl_div_with_ablation", klZero), ("kl_div_with_sae", kl)),
            ["model_performance_preservation"] = Group(("ce_loss_score", Number("ce_recovered_zero")), ("ce_loss_with_ablation", Number("ce_zero_ablation")), ("ce_loss_with_sae", Number("ce_spliced")), ("ce_loss_without_sae", Number("ce_original"))),
            ["reconstruction_quality"] = Group(("explained_variance", Number("explained_variance")), ("explained_variance_legacy", Number("explained_variance_legacy")), ("mse", Number("mse_per_vector")), ("cossim", Number("cosine_similarity"))),
            ["shrinkage"] = Group(("l2_norm_in", Number("l2_norm_in")), ("l2_norm_out", Number("l2_norm_out")), ("l2_ratio", Number("l2_ratio")), ("relative_reconstruction_bias", Number("relative_reconstruction_bias"))),
            ["sparsity"] = Group(("l0", Number("l0")), ("l1", Number("l1"))),
            ["token_stats"] = new JsonObject { ["total_tokens_eval_reconstruction"] = result.CrossEntropy?.Tokens ?? -1, ["total_tokens_eval_sparsity_variance"] = result.Rows },
            ["misc_metrics"] = Group(
                ("freq_over_1_percent", Number("dense_fraction_over_1_percent")), ("freq_over_10_percent", Number("dense_fraction_over_10_percent")),
                ("normalized_freq_over_1_percent", Number("firings_of_dense_over_1_percent")), ("normalized_freq_over_10_percent", Number("firings_of_dense_over_10_percent")),
                ("average_max_encoder_cosine_sim", Number("max_encoder_cosine")), ("average_max_decoder_cosine_sim", Number("max_decoder_cosine")), ("frac_alive", Number("alive_fraction"))),
        };
        return Document(result, metrics, Details(pass, geometry, sae, result.Rows), sae, plan);

        double Number(string name) => result.Numbers.TryGetValue(name, out MetricValue? number) ? number.Value ?? -1 : -1;
    }

    /// <summary>Where the file goes that belongs to a metrics file.</summary>
    /// <param name="metrics">Path of the metrics file.</param>
    internal static string PathFor(string metrics)
    {
        string stem = Path.GetFileNameWithoutExtension(metrics), folder = Path.GetDirectoryName(metrics) ?? "";
        return Path.Combine(folder, stem == "metrics" ? "saebench_core.json" : $"{stem}.saebench_core.json");
    }

    private static JsonObject Document(EvaluationResult result, JsonObject metrics, JsonArray details, SparseAutoencoder sae, StorePlan plan)
    {
        string identity = $"{result.Origin?.DictionarySha256} {result.Origin?.ActivationsSha256} {result.Origin?.Contexts}";
        return new JsonObject
        {
            ["eval_type_id"] = "core",
            ["eval_config"] = Config(result, plan),
            ["eval_id"] = new Guid(SHA256.HashData(Encoding.UTF8.GetBytes(identity)).AsSpan(0, 16)).ToString(),
            ["datetime_epoch_millis"] = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds(),
            ["eval_result_metrics"] = metrics,
            ["eval_result_details"] = details,
            ["sae_bench_commit_hash"] = "",
            ["sae_lens_id"] = "custom_sae",
            ["sae_lens_release_id"] = "",
            ["sae_lens_version"] = "",
            ["sae_cfg_dict"] = new JsonObject
            {
                ["model_name"] = plan.Model.Name,
                ["d_in"] = sae.Config.DModel,
                ["d_sae"] = sae.Config.DSae,
                ["hook_name"] = plan.HookPoint,
                ["context_size"] = plan.Tokens.Context,
                ["architecture"] = sae.Config.Architecture,
                ["dtype"] = "float32",
                ["dataset_path"] = plan.Corpus.Source,
            },
            ["eval_result_unstructured"] = null,
        };
    }

    private static JsonObject Config(EvaluationResult result, StorePlan plan)
    {
        bool model = result.CrossEntropy is not null;
        return new JsonObject
        {
            ["model_name"] = plan.Model.Name,
            ["llm_dtype"] = "float32",
            ["batch_size_prompts"] = 16,
            ["n_eval_reconstruction_batches"] = ((result.Origin?.Contexts ?? 0) + 15) / 16,
            ["n_eval_sparsity_variance_batches"] = 1,
            ["dataset"] = plan.Corpus.Source,
            ["context_size"] = plan.Tokens.Context,
            ["compute_kl"] = model,
            ["compute_ce_loss"] = model,
            ["compute_l2_norms"] = true,
            ["compute_sparsity_metrics"] = true,
            ["compute_variance_metrics"] = true,
            ["compute_featurewise_density_statistics"] = true,
            ["compute_featurewise_weight_based_metrics"] = true,
            ["exclude_special_tokens_from_reconstruction"] = true,
            ["verbose"] = false,
        };
    }

    private static JsonArray Details(DictionaryPass pass, DecoderGeometry geometry, SparseAutoencoder sae, long rows)
    {
        float[] bias = TensorMemory.Floats(sae.BEnc.to(ScalarType.Float32, CPU).contiguous()).ToArray();
        float[] decoder = Spread(geometry.MaxDecoder), encoder = Spread(geometry.MaxEncoder);
        ReadOnlySpan<long> firings = pass.Density.Firings, documents = pass.Density.DocumentsFired;
        var details = new JsonArray();
        for (int i = 0; i < bias.Length; i++)
        {
            JsonObject feature = Group(
                ("feature_density", (double)firings[i] / rows), ("consistent_activation_heuristic", documents[i] > 0 ? (double)firings[i] / documents[i] : -1),
                ("encoder_bias", bias[i]), ("encoder_norm", geometry.EncoderNorms[i]), ("encoder_decoder_cosine_sim", geometry.EncoderDecoder[i]),
                ("max_decoder_cosine_sim", decoder[i]), ("max_encoder_cosine_sim", encoder[i]));
            feature.Insert(0, "index", i);
            details.Add(feature);
        }
        return details;

        float[] Spread(float[] nearest)
        {
            float[] all = new float[bias.Length];
            Array.Fill(all, float.NaN);
            for (int i = 0; i < nearest.Length; i++) all[geometry.Chosen[i]] = nearest[i];
            return all;
        }
    }

    private static JsonObject Group(params ReadOnlySpan<(string Name, double Value)> numbers)
    {
        var group = new JsonObject();
        foreach ((string name, double value) in numbers) group[name] = double.IsFinite(value) ? Math.Round(value, Digits) : -1;
        return group;
    }
}
