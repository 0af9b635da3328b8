using Monosemantic.Models.Families;
using Monosemantic.Runtime;

namespace Monosemantic.Models;

/// <summary>Reads a model from disk, whole or not at all.</summary>
internal static class ModelLoader
{
    /// <summary>The shape of a model, without its weights.</summary>
    internal static TransformerConfig Shape(string path)
    {
        if (File.Exists(path))
        {
            using Llama2CFile file = Llama2CFile.Open(path);
            return file.Config;
        }
        (TransformerConfig config, _) = ReadConfig(path);
        return config;
    }

    /// <summary>The model.</summary>
    internal static Transformer Load(string path)
    {
        if (File.Exists(path))
        {
            Llama2CFile file = Llama2CFile.Open(path);
            return Assemble(file.Config, Llama.Family, file, Path.GetFileName(path));
        }
        (TransformerConfig config, ModelFamily family) = ReadConfig(path);
        return Assemble(config, family, FolderWeights.Open(path), new DirectoryInfo(path).Name);
    }

    private static (TransformerConfig Config, ModelFamily Family) ReadConfig(string directory)
    {
        if (!Directory.Exists(directory)) throw new UserErrorException($"the model folder {directory} does not exist", "give the folder that holds config.json and the weights, or a llama2.c file");
        var reader = new ConfigReader(Path.Combine(directory, "config.json"));
        ModelFamily family = ModelFamily.Find(reader.Text("model_type"), reader.Path);
        return (family.ReadConfig(reader), family);
    }

    private static Transformer Assemble(TransformerConfig config, ModelFamily family, WeightSource source, string name)
    {
        using var reader = new WeightReader(source);
        try
        {
            TransformerWeights weights = family.ReadWeights(config, reader);
            return new Transformer(config, weights, reader.Taken, name, reader.Hash()) { Warnings = [.. reader.Warnings] };
        }
        catch
        {
            reader.Release();
            throw;
        }
    }
}
