namespace Monosemantic.Tests.Models;

/// <summary>Every recorded hook point, the logits and the losses of the reference library, tensor by named tensor.</summary>
public sealed class ModelGoldenTests(ITestOutputHelper output)
{
    private const double Tolerance = 2e-5;

    public static TheoryData<string> Fixtures()
    {
        var data = new TheoryData<string>();
        foreach (string folder in Repository.FixtureRoots("models").SelectMany(Directory.GetDirectories).Order(StringComparer.Ordinal))
        {
            data.Add(new TheoryDataRow<string>(folder) { TestDisplayName = $"Forward_equals_the_reference({Path.GetFileName(folder)})" });
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(Fixtures))]
    public void Forward_equals_the_reference(string folder)
    {
        foreach (GoldenDifference found in GoldenModel.Differences(folder))
        {
            output.WriteLine($"{found.Name}: largest difference {found.Difference:E2}, {found.Share:E2} of the largest value");
            Assert.True(found.Difference <= Tolerance * found.Largest, $"{found.Name}: {found.Difference:E3} > {Tolerance} x {found.Largest:E3}");
        }
    }
}
