using System.Diagnostics;
using Monosemantic.Dictionaries.Formats;
using Monosemantic.Runtime;
using Monosemantic.Runtime.TensorFiles;
using static TorchSharp.torch;

namespace Monosemantic.Tests.Dictionaries.Formats;

/// <summary>Folders made so that reading them would read elsewhere, wait forever, or take more memory than they are worth.</summary>
public sealed class HostileFolderTests : IDisposable
{
    private static readonly string Fixtures = Path.Combine(Repository.Root, "tests", "Monosemantic.Tests", "Fixtures", "saes");

    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-tests-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [InlineData("sae.json")]
    [InlineData("sae.safetensors")]
    [InlineData("probes.safetensors")]
    [InlineData("sparsity.safetensors")]
    public void No_file_of_a_native_folder_may_be_a_link_out_of_it(string name)
    {
        string sae = Native(), elsewhere = Directory.CreateDirectory(Path.Combine(folder, "elsewhere")).FullName;
        if (name == "sparsity.safetensors") SafetensorsWriter.Write(Path.Combine(sae, name), [new("sparsity", zeros(64))]);
        File.Move(Path.Combine(sae, name), Path.Combine(elsewhere, name));
        File.CreateSymbolicLink(Path.Combine(sae, name), Path.Combine(elsewhere, name));
        Assert.Contains("leads out of the folder", Assert.Throws<UserErrorException>(() => SaeVerification.Of(sae)).Message);
    }

    [Fact]
    public void A_linked_folder_on_the_way_does_not_hide_where_a_file_lies()
    {
        string sae = Directory.CreateDirectory(Path.Combine(folder, "llama")).FullName, elsewhere = Directory.CreateDirectory(Path.Combine(folder, "elsewhere")).FullName;
        File.WriteAllText(Path.Combine(sae, "hyperparams.json"), """{"d_model": 2, "d_sae": 4}""");
        SafetensorsWriter.Write(Path.Combine(elsewhere, "final.safetensors"), [new("encoder.weight", zeros(4, 2)), new("encoder.bias", zeros(4)), new("decoder.weight", ones(2, 4))]);
        Directory.CreateSymbolicLink(Path.Combine(sae, "checkpoints"), elsewhere);
        Assert.Contains("leads out of the folder", Assert.Throws<UserErrorException>(() => SaeFormat.Load(sae)).Message);
        // A link that only looks as if it stayed inside.
        Directory.Delete(Path.Combine(sae, "checkpoints"));
        Directory.CreateDirectory(Path.Combine(sae, "checkpoints"));
        Directory.CreateSymbolicLink(Path.Combine(sae, "inside"), "../elsewhere");
        File.CreateSymbolicLink(Path.Combine(sae, "checkpoints", "final.safetensors"), "../inside/final.safetensors");
        Assert.Contains("leads out of the folder", Assert.Throws<UserErrorException>(() => SaeFormat.Load(sae)).Message);
        // Within the folder, links are as good as files; and the user may name the folder by one.
        File.Delete(Path.Combine(sae, "checkpoints", "final.safetensors"));
        File.Copy(Path.Combine(elsewhere, "final.safetensors"), Path.Combine(sae, "weights"));
        File.CreateSymbolicLink(Path.Combine(sae, "checkpoints", "final.safetensors"), "../weights");
        Directory.CreateSymbolicLink(Path.Combine(folder, "named"), sae);
        using SaeImport read = SaeFormat.Load(Path.Combine(folder, "named"));
        Assert.Equal(4, read.Sae.Config.DSae);
        // And round in a circle goes nowhere.
        Assert.Null(FolderLinks.TargetOutside(sae, "weights"));
        File.CreateSymbolicLink(Path.Combine(sae, "a"), "b");
        File.CreateSymbolicLink(Path.Combine(sae, "b"), "a");
        Assert.Contains("links", Assert.Throws<UserErrorException>(() => FolderLinks.TargetOutside(sae, "a")).Message);
    }

    [Fact]
    public void Settings_beside_a_file_may_be_no_link_out_of_its_folder()
    {
        string file = Path.Combine(folder, "layer_3.safetensors"), elsewhere = Path.Combine(Directory.CreateDirectory(Path.Combine(folder, "else")).FullName, "secret.yaml");
        SafetensorsWriter.Write(file, [new("W_enc", zeros(4, 2)), new("b_enc", zeros(4)), new("W_dec", ones(4, 2)), new("b_dec", zeros(2))]);
        File.WriteAllText(elsewhere, "model_name: secret\n");
        string inner = Directory.CreateDirectory(Path.Combine(folder, "inner")).FullName;
        File.Move(file, Path.Combine(inner, "layer_3.safetensors"));
        File.CreateSymbolicLink(Path.Combine(inner, "config.yaml"), elsewhere);
        Assert.Contains("leads out of the folder", Assert.Throws<UserErrorException>(() => SaeFormat.Load(Path.Combine(inner, "layer_3.safetensors"))).Message);
        // The file that the user names may itself be a link.
        File.Delete(Path.Combine(inner, "config.yaml"));
        File.CreateSymbolicLink(Path.Combine(folder, "layer_7.safetensors"), Path.Combine(inner, "layer_3.safetensors"));
        using SaeImport read = SaeFormat.Load(Path.Combine(folder, "layer_7.safetensors"));
        Assert.Equal("circuit_tracer", read.Format.Name);
    }

    [Theory]
    [InlineData("cfg.json")]
    [InlineData("sae_weights.safetensors")]
    [InlineData("activation_scaler.json")]
    [InlineData("sparsity.safetensors")]
    public async Task A_pipe_in_a_folder_is_refused_and_not_waited_for(string name)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "named pipes are made with mkfifo");
        string copy = Directory.CreateDirectory(Path.Combine(folder, "sae")).FullName;
        foreach (string file in Directory.GetFiles(Path.Combine(Fixtures, "saelens", "standard", "inference"))) File.Copy(file, Path.Combine(copy, Path.GetFileName(file)));
        string cfg = File.ReadAllText(Path.Combine(copy, "cfg.json"));
        File.WriteAllText(Path.Combine(copy, "cfg.json"), cfg.Replace("\"normalize_activations\": \"none\"", "\"normalize_activations\": \"expected_average_only_in\"", StringComparison.Ordinal));
        File.Delete(Path.Combine(copy, name));
        Pipe(Path.Combine(copy, name));
        Task<UserErrorException> refused = Task.Run(() => Assert.Throws<UserErrorException>(() => SaeFormat.Load(copy)), TestContext.Current.CancellationToken);
        Assert.Same(refused, await Task.WhenAny(refused, Task.Delay(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken)));
        Assert.Contains("pipe", (await refused).Message);
    }

    [Fact]
    public async Task Readers_of_tensor_files_and_json_do_not_wait_for_pipes()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "named pipes are made with mkfifo");
        string path = Path.Combine(folder, "pipe");
        Pipe(path);
        Task refused = Task.Run(() =>
        {
            Assert.Contains("pipe", Assert.Throws<UserErrorException>(() => TensorFile.Open(path)).Message);
            Assert.Throws<UserErrorException>(() => JsonFile.Read<string>(path));
        }, TestContext.Current.CancellationToken);
        Assert.Same(refused, await Task.WhenAny(refused, Task.Delay(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken)));
        await refused;
    }

    [Fact]
    public void A_cross_layer_transcoder_takes_no_memory_for_layers_that_are_not_there()
    {
        using var scope = NewDisposeScope();
        const int F = 512, D = 512, Layers = 40;
        for (int layer = 0; layer < Layers; layer++)
        {
            (long f, long d) = layer == 0 ? (F, D) : (1, 1);
            SafetensorsWriter.Write(Path.Combine(folder, $"W_enc_{layer}.safetensors"), [new($"W_enc_{layer}", zeros(f, d)), new($"b_enc_{layer}", zeros(f)), new($"b_dec_{layer}", zeros(d))]);
            SafetensorsWriter.Write(Path.Combine(folder, $"W_dec_{layer}.safetensors"), [new($"W_dec_{layer}", zeros(1, 1, 1))]);
        }
        long before = Process.GetCurrentProcess().PeakWorkingSet64;
        Assert.Contains("W_dec_0 is [1, 1, 1]; it must be [512, 40, 512]", Assert.Throws<UserErrorException>(() => SaeFormat.Load(folder)).Message);
        Assert.InRange(Process.GetCurrentProcess().PeakWorkingSet64 - before, 0, 1L << 28);
    }

    private static void Pipe(string path)
    {
        using Process made = Process.Start("mkfifo", path);
        made.WaitForExit();
        Assert.Equal(0, made.ExitCode);
    }

    private string Native()
    {
        string target = Path.Combine(folder, "native");
        SaeConversion.Run(Path.Combine(Fixtures, "saelens", "standard", "inference"), null, "native", target, lossy: false);
        return target;
    }
}
