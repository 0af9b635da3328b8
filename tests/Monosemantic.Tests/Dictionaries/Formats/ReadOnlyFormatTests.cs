using Monosemantic.Dictionaries;
using Monosemantic.Dictionaries.Formats;
using Monosemantic.Runtime;
using Monosemantic.Runtime.TensorFiles;
using TorchSharp;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Dictionaries.Formats;

/// <summary>Published releases that are read only: files made here in their layout, against the releases' own formulas written out.</summary>
public sealed class ReadOnlyFormatTests : IDisposable
{
    private const int D = 6, F = 20, N = 50;

    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-tests-").FullName;
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly Tensor x = randn(N, D), wEnc = randn(D, F), bEnc = randn(F) * 0.3f, wDec = randn(F, D), bDec = randn(D), threshold = rand(F);

    public void Dispose()
    {
        scope.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public void Gemma_Scope()
    {
        string path = Directory.CreateDirectory(Path.Combine(folder, "gemma-scope-2b-pt-res", "layer_12", "width_16k", "average_l0_82")).FullName;
        NumpyWriter.WriteArchive(Path.Combine(path, "params.npz"), [new("W_enc", wEnc), new("W_dec", wDec), new("b_enc", bEnc), new("b_dec", bDec), new("threshold", threshold)]);
        Tensor pre = x.mm(wEnc) + bEnc, f = pre * pre.gt(threshold);

        SaeImport found = Check(path, "gemma_scope", f, f.mm(wDec) + bDec);
        Assert.Equal(2, found.Missing.Length);
    }

    [Fact]
    public void A_release_in_its_own_folders_is_placed_by_the_catalogue_and_another_width_is_not()
    {
        string path = Directory.CreateDirectory(Path.Combine(folder, "models--google--gemma-scope-2b-pt-res", "layer_12", "width_16k", "average_l0_82")).FullName;
        NumpyWriter.WriteArchive(Path.Combine(path, "params.npz"), [new("W_enc", randn(2304, 3)), new("W_dec", randn(3, 2304)), new("b_enc", randn(3)), new("b_dec", randn(2304)), new("threshold", rand(3))]);
        using SaeImport found = SaeFormat.Load(path);

        Assert.Equal("blocks.12.hook_resid_post", found.Sae.Config.HookPoint);
        Assert.Equal("google/gemma-2-2b", found.Sae.Provenance.Origin!.Model);
        Assert.Empty(found.Missing);
        Assert.Contains(found.Notes, note => note.Contains("gemma-scope-2b-pt-res", StringComparison.Ordinal));
        Assert.All(SaeCatalogue.All, release => Assert.Contains(SaeFormat.All, format => format.Name == release.Format));
        Assert.Equal(SaeCatalogue.All.Length, SaeCatalogue.All.Select(release => release.Name).Distinct().Count());
    }

    [Fact]
    public void Gemma_Scope_2_with_a_skip_connection()
    {
        Tensor skip = randn(D, D);
        SafetensorsWriter.Write(At("params.safetensors"), [new("w_enc", wEnc), new("w_dec", wDec), new("b_enc", bEnc), new("b_dec", bDec), new("threshold", threshold), new("affine_skip_connection", skip)]);
        File.WriteAllText(At("config.json"), """{"architecture": "jump_relu", "model_name": "google/gemma-3-1b-pt", "hf_hook_point_in": "model.layers.7.pre_feedforward_layernorm.output", "hf_hook_point_out": "model.layers.7.post_feedforward_layernorm.output"}""");
        Tensor pre = x.mm(wEnc) + bEnc, f = pre * pre.gt(threshold);

        SaeImport found = Check(folder, "gemma_scope_2", f, f.mm(wDec) + bDec + x.mm(skip));
        Assert.Equal("blocks.7.ln2.hook_normalized", found.Sae.Config.HookPoint);
        Assert.Equal("blocks.7.hook_mlp_out", found.Sae.Config.HookPointOut);
    }

    [Fact]
    public void Llama_Scope()
    {
        Directory.CreateDirectory(At("checkpoints"));
        SafetensorsWriter.Write(At("checkpoints/final.safetensors"), [new("encoder.weight", wEnc.t()), new("encoder.bias", bEnc), new("decoder.weight", wDec.t()), new("decoder.bias", bDec)]);
        File.WriteAllText(At("hyperparams.json"), $$"""{"d_model": {{D}}, "d_sae": {{F}}, "jump_relu_threshold": 0.5, "dataset_average_activation_norm": {"in": 8.0, "out": 8.0}, "hook_point_in": "blocks.3.hook_resid_post", "hook_point_out": "blocks.3.hook_resid_post"}""");
        double s = Math.Sqrt(D) / 8;
        Tensor pre = (x * s).mm(wEnc) + bEnc, f = pre * pre.gt(0.5 * s);

        SaeImport found = Check(folder, "llama_scope", f, (f.mm(wDec) + bDec) / s);
        Assert.Equal("blocks.3.hook_resid_post", found.Sae.Config.HookPoint);
        Assert.Null(found.Sae.Config.HookPointOut);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Llamascopium_jumprelu_in_units_of_the_dataset(bool byNorm)
    {
        Tensor log = threshold.log();
        KeyValuePair<string, Tensor>[] tensors =
        [
            new("W_E", wEnc), new("b_E", bEnc), new("W_D", wDec), new("b_D", bDec), new("activation_function.log_jumprelu_threshold", log),
            new("dataset_average_activation_norm.blocks.3.ln2.hook_normalized", tensor(5f)), new("dataset_average_activation_norm.blocks.3.hook_mlp_out", tensor(2f)),
        ];
        SafetensorsWriter.Write(At("sae_weights.safetensors"), tensors, new Dictionary<string, string> { ["version"] = "2.0" });
        File.WriteAllText(At("config.json"), $$"""{"sae_type": "sae", "d_model": {{D}}, "d_sae": {{F}}, "act_fn": "jumprelu", "norm_activation": "dataset-wise", "sparsity_include_decoder_norm": {{(byNorm ? "true" : "false")}}, "hook_point_in": "blocks.3.ln2.hook_normalized", "hook_point_out": "blocks.3.hook_mlp_out"}""");
        double input = Math.Sqrt(D) / 5, output = Math.Sqrt(D) / 2;
        Tensor pre = (x * input).mm(wEnc) + bEnc, ranked = byNorm ? pre * wDec.norm(1) : pre, f = pre * ranked.gt(threshold);

        // Feature activations come in units of the raw inputs.
        Check(folder, "llamascopium", f / input, (f.mm(wDec) + bDec) / output);
    }

    [Fact]
    public void Llamascopium_topk_ranked_by_decoder_norms()
    {
        SafetensorsWriter.Write(At("sae_weights.safetensors"), [new("W_E", wEnc), new("b_E", bEnc), new("W_D", wDec), new("b_D", bDec)]);
        File.WriteAllText(At("config.json"), $$"""{"d_model": {{D}}, "d_sae": {{F}}, "act_fn": "topk", "top_k": 4, "norm_activation": "token-wise", "sparsity_include_decoder_norm": true, "hook_point_in": "blocks.3.hook_mlp_out"}""");
        Tensor norm = x.norm(1, keepdim: true) / Math.Sqrt(D), ranked = ((x / norm).mm(wEnc) + bEnc) * wDec.norm(1);
        (Tensor values, Tensor indices) = ranked.topk(4);
        Tensor f = zeros_like(ranked).scatter(1, indices, values.relu());

        Check(folder, "llamascopium", f, ((f / wDec.norm(1)).mm(wDec) + bDec) * norm);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void OpenAi(bool topK)
    {
        Dictionary<string, object> state = new()
        {
            ["pre_bias"] = bDec,
            ["encoder.weight"] = wEnc.t(),
            ["latent_bias"] = bEnc,
            ["decoder.weight"] = wDec.t(),
            ["stats_last_nonzero"] = zeros(F),
            ["activation"] = topK ? "TopK" : "ReLU",
        };
        if (topK) state["activation_state_dict"] = new Dictionary<string, object> { ["k"] = 4L, ["postact_fn"] = "ReLU" };
        File.WriteAllBytes(At("5.pt"), TorchStates.Of(state));
        Tensor mean = topK ? x.mean([1], keepdim: true) : zeros(1), scale = topK ? x.std(1, unbiased: true, keepdim: true) + 1e-5 : ones(1);
        Tensor pre = (((x - mean) / scale) - bDec).mm(wEnc) + bEnc;
        (Tensor values, Tensor indices) = pre.topk(topK ? 4 : F);
        Tensor f = zeros_like(pre).scatter(1, indices, values.relu());

        Check(At("5.pt"), "openai", f, ((f.mm(wDec) + bDec) * scale) + mean);
        Check(folder, "openai", f, ((f.mm(wDec) + bDec) * scale) + mean);
    }

    [Theory]
    [InlineData("relu")]
    [InlineData("jumprelu")]
    [InlineData("topk")]
    public void Circuit_tracer_of_one_layer(string activation)
    {
        Tensor skip = randn(D, D);
        List<KeyValuePair<string, Tensor>> tensors = [new("W_enc", wEnc.t()), new("W_dec", wDec), new("b_enc", bEnc), new("b_dec", bDec), new("W_skip", skip)];
        if (activation == "jumprelu") tensors.Add(new("activation_function.threshold", threshold));
        if (activation == "topk") tensors.Add(new("k", tensor(4L)));
        SafetensorsWriter.Write(At("layer_9.safetensors"), tensors);
        File.WriteAllText(At("config.yaml"), "model_name: \"google/gemma-2-2b\"\nfeature_input_hook: hook_resid_mid  # where it reads\nfeature_output_hook: hook_mlp_out\ntranscoders:\n  - layer_9.safetensors\n");
        Tensor pre = x.mm(wEnc) + bEnc;
        (Tensor values, Tensor indices) = pre.topk(4);
        Tensor f = activation switch { "relu" => pre.relu(), "jumprelu" => pre * pre.gt(threshold), _ => zeros_like(pre).scatter(1, indices, values.relu()) };

        SaeImport found = Check(At("layer_9.safetensors"), "circuit_tracer", f, f.mm(wDec) + bDec + x.mm(skip.t()));
        Assert.Equal("blocks.9.hook_resid_mid", found.Sae.Config.HookPoint);
        Assert.Equal("blocks.9.hook_mlp_out", found.Sae.Config.HookPointOut);
        Assert.Empty(found.Missing);
    }

    [Fact]
    public void Circuit_tracer_across_layers()
    {
        const int layers = 3;
        Tensor[] enc = [.. Enumerable.Range(0, layers).Select(_ => randn(F, D))], b = [.. enc.Select(_ => randn(F))], outs = [.. enc.Select(_ => randn(D))], dec = [.. enc.Select((_, layer) => randn(F, layers - layer, D))];
        for (int layer = 0; layer < layers; layer++)
        {
            SafetensorsWriter.Write(At($"W_enc_{layer}.safetensors"), [new($"W_enc_{layer}", enc[layer]), new($"b_enc_{layer}", b[layer]), new($"b_dec_{layer}", outs[layer])]);
            SafetensorsWriter.Write(At($"W_dec_{layer}.safetensors"), [new($"W_dec_{layer}", dec[layer])]);
        }
        Tensor inputs = randn(N, layers * D);
        Tensor[] f = [.. enc.Select((weight, layer) => (inputs.narrow(1, layer * D, D).mm(weight.t()) + b[layer]).relu())];
        Tensor[] outputs = [.. outs.Select((bias, layer) => Enumerable.Range(0, layer + 1).Aggregate(bias.expand(N, D), (sum, from) => sum + f[from].mm(dec[from].select(1, layer - from))))];

        SaeImport found = Check(folder, "circuit_tracer_clt", cat(f, 1), cat(outputs, 1), inputs);
        Assert.Equal(layers, found.Sae.Config.Sites);
    }

    private string At(string name) => Path.Combine(folder, name);

    private SaeImport Check(string path, string format, Tensor f, Tensor output, Tensor? inputs = null)
    {
        SaeImport found = SaeFormat.Load(path);
        Assert.Equal(format, found.Format.Name);
        Assert.True(found.Sae.Encode(inputs ?? x).allclose(f, 1e-3, 1e-4));
        Assert.True(found.Sae.Reconstruct(inputs ?? x).allclose(output, 1e-3, 1e-3));
        Assert.Equal(64, SparseAutoencoder.ManifestHash(path).Length);
        return found;
    }
}
