using System.Text.Json.Nodes;
using Monosemantic.Dictionaries;
using Monosemantic.Dictionaries.Formats;
using Monosemantic.Runtime;
using Monosemantic.Runtime.TensorFiles;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Dictionaries.Formats;

/// <summary>What is refused, and what is found, in other tools' files; the files are recorded ones with one thing changed.</summary>
public sealed class SaeFormatTests : IDisposable
{
    private static readonly string Fixtures = Path.Combine(Repository.Root, "tests", "Monosemantic.Tests", "Fixtures", "saes");

    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-tests-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [InlineData("saelens/topk/inference", "cfg.json", "twist")]
    [InlineData("sparsify/topk", "cfg.json", "twist")]
    [InlineData("dictionary_learning/topk", "config.json", "twist")]
    public void An_unknown_key_is_refused_by_name(string fixture, string file, string key)
    {
        string copy = Copy(fixture);
        Edit(copy, file, cfg => (cfg["trainer"]?.AsObject() ?? cfg)[key] = 1);

        Assert.Contains(key, Refusal(copy));
    }

    [Theory]
    [InlineData("architecture", "temporal")]
    [InlineData("activation_fn", "tanh-relu")]
    [InlineData("normalize_activations", "bogus")]
    [InlineData("reshape_activations", "bogus")]
    public void What_is_not_computed_here_is_refused_by_name(string key, string value)
    {
        string copy = Copy("saelens/standard/inference");
        Edit(copy, "cfg.json", cfg => cfg[key] = value);

        string message = Refusal(copy);
        Assert.Contains(key, message);
        Assert.Contains(value, message);
    }

    [Fact]
    public void A_tensor_too_many_or_too_few_is_refused_by_name()
    {
        string copy = Copy("saelens/jumprelu_step/inference");
        Edit(copy, "cfg.json", cfg => cfg["architecture"] = "standard");
        Assert.Contains("threshold", Refusal(copy));

        copy = Copy("saelens/standard/inference");
        Edit(copy, "cfg.json", cfg => cfg["architecture"] = "jumprelu");
        Assert.Contains("threshold", Refusal(copy));
    }

    [Fact]
    public void A_size_that_is_not_that_of_the_weights_is_refused_with_both()
    {
        string copy = Copy("saelens/standard/inference");
        Edit(copy, "cfg.json", cfg => cfg["d_sae"] = 63);

        string message = Refusal(copy);
        Assert.Contains("[64, 16]", message);
        Assert.Contains("[63, 16]", message);
    }

    [Fact]
    public void A_folder_of_two_formats_is_refused_until_one_is_named()
    {
        string copy = Copy("saelens/topk_plain/inference");
        File.Copy(Path.Combine(Fixtures, "sparsify", "topk", "sae.safetensors"), Path.Combine(copy, "sae.safetensors"));

        string message = Refusal(copy);
        Assert.Contains("saelens", message);
        Assert.Contains("sparsify", message);
        using SaeImport named = SaeFormat.Load(copy, "saelens");
        Assert.Equal("saelens", named.Format.Name);
    }

    [Fact]
    public void A_link_out_of_the_folder_is_refused()
    {
        string copy = Copy("saelens/standard/inference"), weights = Path.Combine(copy, "sae_weights.safetensors");
        File.Delete(weights);
        File.CreateSymbolicLink(weights, Path.Combine(Fixtures, "saelens", "standard", "inference", "sae_weights.safetensors"));

        Assert.Contains("leads out of the folder", Refusal(copy));
    }

    [Fact]
    public void Flat_configs_before_version_6_are_upgraded()
    {
        string copy = Copy("saelens/topk_plain/inference");
        File.WriteAllText(Path.Combine(copy, "cfg.json"), """
            {"architecture": "standard", "d_in": 16, "d_sae": 64, "dtype": "torch.float32", "device": "cpu", "model_name": "tiny", "hook_name": "blocks.1.hook_resid_pre", "hook_layer": 1, "hook_head_index": null,
             "activation_fn_str": "topk", "activation_fn_kwargs": {"k": 6}, "apply_b_dec_to_input": true, "finetuning_scaling_factor": false, "sae_lens_training_version": "3.22.0", "prepend_bos": true, "dataset_path": "text",
             "dataset_trust_remote_code": true, "context_size": 128, "normalize_activations": false, "neuronpedia_id": null, "model_from_pretrained_kwargs": {}, "seqpos_slice": [null], "lp_norm": 1.0, "use_ghost_grads": false}
            """);
        using SaeImport flat = SaeFormat.Load(copy), nested = SaeFormat.Load(Path.Combine(Fixtures, "saelens", "topk_plain", "inference"));

        Assert.Equal(nested.Sae.Config, flat.Sae.Config);
        Assert.Equal("tiny", flat.Sae.Provenance.Origin!.Model);
        Assert.Equal(128, flat.Sae.Provenance.Origin.ContextSize);
        AssertSame(nested.Sae, flat.Sae, scale: 1);
    }

    [Fact]
    public void The_factor_of_an_activation_scaler_is_folded()
    {
        string copy = Copy("saelens/gated/training_checkpoint");
        Edit(copy, "cfg.json", cfg => cfg["normalize_activations"] = "expected_average_only_in");
        using (SaeImport open = SaeFormat.Load(copy)) Assert.Contains(open.Missing, missing => missing.Contains("sqrt(16)", StringComparison.Ordinal));
        File.WriteAllText(Path.Combine(copy, "activation_scaler.json"), """{"scaling_factor": 0.25}""");
        using SaeImport scaled = SaeFormat.Load(copy), raw = SaeFormat.Load(Path.Combine(Fixtures, "saelens", "gated", "training_checkpoint"));

        Assert.DoesNotContain(scaled.Missing, missing => missing.Contains("sqrt", StringComparison.Ordinal));
        AssertSame(raw.Sae, scaled.Sae, scale: 0.25f);
    }

    [Fact]
    public void Learned_factors_of_old_files_go_into_the_decoder()
    {
        string copy = Copy("saelens/standard/inference"), weights = Path.Combine(copy, "sae_weights.safetensors");
        using var scope = NewDisposeScope();
        Tensor factors = rand(64) + 0.5f;
        using (SafetensorsFile file = SafetensorsFile.Open(weights))
        {
            KeyValuePair<string, Tensor>[] all = [.. file.Entries.Select(entry => KeyValuePair.Create(entry.Name, file.Read(entry.Name))), new("scaling_factor", factors)];
            SafetensorsWriter.Write(weights, all);
        }
        Edit(copy, "cfg.json", cfg => cfg["finetuning_scaling_factor"] = true);
        using SaeImport tuned = SaeFormat.Load(copy), plain = SaeFormat.Load(Path.Combine(Fixtures, "saelens", "standard", "inference"));
        Tensor x = randn(20, 16), f = plain.Sae.Encode(x);

        Assert.True(tuned.Sae.Encode(x).equal(f).all().item<bool>());
        Assert.True(tuned.Sae.Reconstruct(x).allclose((f * factors).mm(plain.Sae.WDec) + plain.Sae.BDec, 1e-5, 1e-5));
    }

    [Fact]
    public void A_backup_of_dictionary_learning_is_scaled_to_raw_activations()
    {
        string copy = Copy("dictionary_learning/standard");
        using var scope = NewDisposeScope();
        using SaeImport plain = SaeFormat.Load(copy);
        byte[] state = TorchStates.Backup(Path.Combine(copy, "ae.pt"), normFactor: 4);
        File.WriteAllBytes(Path.Combine(copy, "ae.pt"), state);
        using SaeImport backup = SaeFormat.Load(copy);
        Tensor x = randn(20, 16);

        Assert.True(backup.Sae.Encode(x * 4).allclose(plain.Sae.Encode(x) * 4, 1e-4, 1e-4));
        Assert.True(backup.Sae.Reconstruct(x * 4).allclose(plain.Sae.Reconstruct(x) * 4, 1e-4, 1e-4));
    }

    [Fact]
    public void A_topk_transcoder_goes_into_SAELens_only_with_losses_that_are_measured()
    {
        string source = Path.Combine(Fixtures, "sparsify", "skip_transcoder"), target = Path.Combine(folder, "out");

        string refused = Assert.Throws<UserErrorException>(() => SaeConversion.Run(source, null, "saelens", target, lossy: false)).Message;
        Assert.Contains("no TopK transcoder", refused);
        Assert.False(Directory.Exists(target));
        SaeConversionResult written = SaeConversion.Run(source, null, "saelens", target, lossy: true);
        Assert.True(written.FeatureActsError > 1e-3);
        Assert.Contains(written.Notes, note => note.Contains("no TopK transcoder", StringComparison.Ordinal));
        Assert.Contains("cannot hold a transcoder", Assert.Throws<UserErrorException>(() => SaeConversion.Run(source, null, "dictionary_learning", Path.Combine(folder, "other"), lossy: true)).Message);
        Assert.Contains("not empty", Assert.Throws<UserErrorException>(() => SaeConversion.Run(source, null, "native", target, lossy: false)).Message);
    }

    [Fact]
    public void A_batch_wide_selection_goes_from_SAELens_to_the_class_that_dictionary_learning_has_for_it()
    {
        string target = Path.Combine(folder, "out");
        SaeConversionResult written = SaeConversion.Run(Path.Combine(Fixtures, "saelens", "batchtopk", "training_checkpoint"), null, "dictionary_learning", target, lossy: false);

        Assert.Equal(0, written.FeatureActsError);
        JsonNode trainer = JsonNode.Parse(File.ReadAllText(Path.Combine(target, "config.json")))!["trainer"]!;
        Assert.Equal("BatchTopKSAE", (string)trainer["dict_class"]!);
        Assert.Equal(6, (int)trainer["k"]!);
    }

    [Fact]
    public void The_sparsity_file_goes_along()
    {
        string copy = Copy("saelens/standard/inference"), native = Path.Combine(folder, "native"), back = Path.Combine(folder, "back");
        using var scope = NewDisposeScope();
        Tensor frequency = rand(64).log10();
        SafetensorsWriter.Write(Path.Combine(copy, "sparsity.safetensors"), [new("sparsity", frequency)]);

        SaeConversion.Run(copy, null, "native", native, lossy: false);
        SaeConversion.Run(native, null, "saelens", back, lossy: false);

        Assert.Equal(File.ReadAllBytes(Path.Combine(copy, "sparsity.safetensors")), File.ReadAllBytes(Path.Combine(back, "sparsity.safetensors")));
        using SaeImport found = SaeFormat.Load(native);
        Assert.Equal(64, SaeInfo.Of(found).Alive);
    }

    [Fact]
    public void Verify_notices_changed_weights_and_changed_probes()
    {
        string first = Path.Combine(folder, "first");
        using SparseAutoencoder sae = SparseAutoencoderTests.Random(dModel: 8, dSae: 40, k: 4), other = SparseAutoencoder.FromWeights(sae.Config, sae.WEnc * 1.01, sae.BEnc, sae.WDec, sae.BDec);
        sae.Save(first);
        other.Save(Path.Combine(folder, "second"));

        Assert.Equal(0, SaeVerification.Of(first).Difference.Largest);
        byte[] probes = File.ReadAllBytes(Path.Combine(first, "probes.safetensors"));
        File.Copy(Path.Combine(folder, "second", "probes.safetensors"), Path.Combine(first, "probes.safetensors"), overwrite: true);
        Assert.Contains("SHA-256", Assert.Throws<UserErrorException>(() => SaeVerification.Of(first)).Message);
        string converted = Path.Combine(folder, "converted");
        SaeConversion.Run(Path.Combine(folder, "second"), null, "saelens", converted, lossy: false);
        File.WriteAllBytes(Path.Combine(converted, "probes.safetensors"), probes);
        Assert.False(SaeVerification.Of(converted).Passed);
        File.Delete(Path.Combine(converted, "probes.safetensors"));
        Assert.Contains("no probe vectors", Assert.Throws<UserErrorException>(() => SaeVerification.Of(converted)).Message);
    }

    [Fact]
    public void Every_architecture_is_saved_with_probes_of_which_features_fire()
    {
        foreach (SaeArchitecture architecture in SaeArchitecture.All.Where(architecture => architecture.AfterTraining == architecture))
        {
            using var scope = NewDisposeScope();
            var config = new SaeConfig { Architecture = architecture.Name, DModel = 6, DSae = 24, K = architecture.UsesK ? 4 : 0 };
            List<KeyValuePair<string, Tensor>> tensors = [new("W_dec", randn(24, 6)), new("b_dec", randn(6))];
            if (!architecture.IsTied) tensors.AddRange([new("W_enc", randn(6, 24)), new(architecture.BiasName, randn(24))]);
            tensors.AddRange(architecture.FeatureTensors.Select(name => KeyValuePair.Create(name, rand(24))));
            using SparseAutoencoder sae = SparseAutoencoder.FromTensors(config, tensors);
            string path = Path.Combine(folder, architecture.Name);
            sae.Save(path);

            using SafetensorsFile probes = SafetensorsFile.Open(Path.Combine(path, "probes.safetensors"));
            Assert.True(probes.Entry("values").Shape[0] >= 7, architecture.Name);
            Assert.Equal(0, SaeVerification.Of(path).Difference.Largest);
        }
    }

    [Fact]
    public void Folders_of_earlier_versions_without_probes_still_load()
    {
        using SparseAutoencoder sae = SparseAutoencoderTests.Random(dModel: 8, dSae: 40, k: 4);
        sae.Save(folder);
        File.Delete(Path.Combine(folder, "probes.safetensors"));
        Edit(folder, "sae.json", manifest => manifest.Remove("probes_sha256"));

        using SparseAutoencoder loaded = SparseAutoencoder.Load(folder);
        Assert.Equal(sae.Config, loaded.Config);
    }

    [Fact]
    public void What_a_broken_config_holds_reaches_no_terminal()
    {
        string copy = Copy("saelens/standard/inference");
        File.WriteAllText(Path.Combine(copy, "cfg.json"), "{\"d_in\": tru\u001b[31m\u0007}");

        Assert.DoesNotContain(Refusal(copy), char.IsControl);
    }

    [Fact]
    public void Hostile_pickles_are_refused_by_the_name_that_they_ask_for()
    {
        string path = Path.Combine(folder, "hostile.pt");
        File.Copy(Path.Combine(Repository.Root, "tests", "Monosemantic.Tests", "Fixtures", "files", "hostile_system.pt"), path);

        Assert.Contains("system", Refusal(path));
    }

    [Fact]
    public void State_dicts_are_written_as_they_are_read()
    {
        using var scope = NewDisposeScope();
        KeyValuePair<string, Tensor>[] tensors = [new("plain", randn(3, 4)), new("turned", randn(5, 2).t()), new("scalar", tensor(7, ScalarType.Int32)), new("empty", zeros(0, 3)), new("large", zeros(70_000, ScalarType.Byte)), new("half", randn(3).to(ScalarType.BFloat16)), new("π", tensor([true, false]))];
        string path = Path.Combine(folder, "state.pt");
        TorchWriter.WriteStateDict(path, tensors);

        using TorchFile file = TorchFile.Open(path);
        Assert.Equal(tensors.Select(tensor => tensor.Key), file.Entries.Select(entry => entry.Name));
        foreach ((string name, Tensor value) in tensors)
        {
            Assert.Equal(value.shape, file.Entry(name).Shape);
            Assert.Equal(value.dtype, file.Read(name).dtype);
            Assert.True(value.contiguous().bytes.SequenceEqual(file.Read(name).bytes), name);
        }
    }

    private static void AssertSame(SparseAutoencoder expected, SparseAutoencoder scaled, float scale)
    {
        using var scope = NewDisposeScope();
        Tensor x = randn(30, 16);
        Assert.True(scaled.Encode(x / scale).allclose(expected.Encode(x), 1e-4, 1e-5));
        Assert.True(scaled.Reconstruct(x / scale).allclose(expected.Reconstruct(x) / scale, 1e-4, 1e-5));
    }

    private static string Refusal(string path) => Assert.Throws<UserErrorException>(() => SaeFormat.Load(path)).Message;

    private string Copy(string fixture)
    {
        string copy = Directory.CreateDirectory(Path.Combine(folder, Guid.NewGuid().ToString("N"))).FullName;
        foreach (string file in Directory.GetFiles(Path.Combine(Fixtures, fixture))) File.Copy(file, Path.Combine(copy, Path.GetFileName(file)));
        return copy;
    }

    private static void Edit(string copy, string file, Action<JsonObject> change)
    {
        string path = Path.Combine(copy, file);
        JsonObject cfg = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        change(cfg);
        File.WriteAllText(path, cfg.ToJsonString());
    }
}
