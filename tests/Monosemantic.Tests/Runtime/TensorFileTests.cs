using System.Text;
using Monosemantic.Runtime;
using Monosemantic.Runtime.TensorFiles;
using TorchSharp;

namespace Monosemantic.Tests.Runtime;

public sealed class TensorFileTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("monosemantic-tests-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [InlineData("model.txt", TensorFileKind.Safetensors)]
    [InlineData("a.safetensors", TensorFileKind.Npy)]
    [InlineData("a.npy", TensorFileKind.Npz)]
    [InlineData("b.npz", TensorFileKind.TorchArchive)]
    [InlineData("c", TensorFileKind.TorchLegacy)]
    public void The_kind_is_told_by_the_content_and_not_by_the_name(string name, TensorFileKind kind)
    {
        string path = Path.Combine(folder, name);
        using torch.Tensor one = torch.ones(1);
        switch (kind)
        {
            case TensorFileKind.Safetensors: SafetensorsWriter.Write(path, [new("w", one)]); break;
            case TensorFileKind.Npy: NumpyWriter.WriteArray(path, one); break;
            case TensorFileKind.Npz: NumpyWriter.WriteArchive(path, [new("w", one)]); break;
            case TensorFileKind.TorchArchive: File.Copy(TorchFixtures.Path("zip_protocol2.pt"), path); break;
            default: File.Copy(TorchFixtures.Path("legacy_protocol2.pt"), path); break;
        }
        Assert.Equal(kind, TensorFile.Recognise(path));
        using ITensorFile file = TensorFile.Open(path);
        Assert.Equal(path, file.Path);
        string first = file.Entries[0].Name;
        using torch.Tensor tensor = file.Read(first);
        Assert.True(file.Contains(first));
        Assert.Equal(tensor.shape, file.Entry(first).Shape);
        Assert.Contains("no tensor named nothing", Assert.Throws<UserErrorException>(() => file.Read("nothing")).Message);
    }

    [Fact]
    public void A_folder_is_opened_by_what_it_holds()
    {
        using torch.Tensor one = torch.ones(1);
        SafetensorsWriter.Write(Path.Combine(folder, "model.safetensors"), [new("w", one)]);
        using ITensorFile file = TensorFile.Open(folder);
        Assert.IsType<TensorFolder>(file);
        Assert.True(file.Contains("w"));
    }

    [Theory]
    [InlineData("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n", "git-lfs pointer")]
    [InlineData("<!DOCTYPE html><html>", "HTML page")]
    [InlineData("\n  <html lang='en'>", "HTML page")]
    [InlineData("\u00ef\u00bb\u00bf<!doctype HTML>", "HTML page")]
    [InlineData("<?xml version='1.0'?><Error>", "XML page")]
    [InlineData("Entry not found", "does not exist")]
    [InlineData("Access to model x is restricted.", "without logging in")]
    [InlineData("{\"error\": \"gone\"}", "JSON text")]
    [InlineData("some words\n", "plain text")]
    [InlineData("", "an empty file")]
    [InlineData("\u001f\u008b\u0008\0\0", "a gzip archive")]
    [InlineData("GGUF\u0003\0\0\0", "GGUF")]
    [InlineData("\u0089HDF\r\n\u001a\n", "HDF5")]
    [InlineData("\u0001\u0002\u0003\u0004", "none that is known")]
    [InlineData("PK\u0003\u0004", "cut short")]
    public void What_is_no_tensor_file_is_said_to_look_like_what_it_is(string content, string said)
    {
        string path = Path.Combine(folder, "model.safetensors");
        File.WriteAllBytes(path, Encoding.Latin1.GetBytes(content));
        string message = Assert.Throws<UserErrorException>(() => TensorFile.Open(path)).Message;
        Assert.Contains(said, message);
        Assert.Contains(path, message);
        Assert.Throws<UserErrorException>(() => TensorFile.Recognise(path));
        // The reader of one kind says so too.
        if (!content.StartsWith("PK", StringComparison.Ordinal) && said != "none that is known") Assert.Contains(said, Assert.Throws<UserErrorException>(() => SafetensorsFile.Open(path)).Message);
    }

    [Fact]
    public void A_tar_and_another_zip_are_said_to_be_that()
    {
        string path = Path.Combine(folder, "a");
        byte[] tar = new byte[1024];
        "model"u8.CopyTo(tar);
        "ustar"u8.CopyTo(tar.AsSpan(257));
        File.WriteAllBytes(path, tar);
        Assert.Contains("tar archive", Assert.Throws<UserErrorException>(() => TensorFile.Open(path)).Message);
        ZipBytes.Write(path, new ZipBytes.File("word/document.xml", [1]));
        Assert.Contains("it holds word/document.xml", Assert.Throws<UserErrorException>(() => TensorFile.Open(path)).Message);
        ZipBytes.Write(path, new ZipBytes.File("archive/constants.pkl", [1]), new ZipBytes.File("archive/data.pkl", [1]));
        Assert.Contains("TorchScript", Assert.Throws<UserErrorException>(() => TensorFile.Open(path)).Message);
        File.WriteAllBytes(path, [0x80, 2, (byte)'}', (byte)'.']);
        Assert.Contains("a Python pickle, but not one that PyTorch saved", Assert.Throws<UserErrorException>(() => TensorFile.Open(path)).Message);
    }
}
