using Monosemantic.Models;

namespace Monosemantic.Tests.Models;

public sealed class PlaneClassifierTests
{
    [Fact]
    public void It_learns_two_half_moons_that_no_line_parts()
    {
        var points = PlaneClassifier.TwoMoons(200);
        Assert.Equal(100, points.Count(point => point.Class == 1));
        using var classifier = new PlaneClassifier();
        double before = classifier.Loss(points);
        var losses = classifier.Train(points, 100);
        Assert.Equal(100, classifier.Iterations);
        Assert.Equal(before, losses[0], 1e-6);
        Assert.InRange(classifier.Loss(points), 0, before / 5);
        Assert.InRange(classifier.Accuracy(PlaneClassifier.TwoMoons(500, seed: 7)), 0.97, 1);
    }

    [Fact]
    public void The_same_seed_learns_the_same_and_in_pieces_too()
    {
        var points = PlaneClassifier.TwoMoons(60);
        using PlaneClassifier whole = new(hidden: 8, seed: 3), pieces = new(hidden: 8, seed: 3), other = new(hidden: 8, seed: 4);
        var losses = whole.Train(points, 12);
        Assert.Equal(losses, [.. pieces.Train(points, 5), .. pieces.Train(points, 7)]);
        Assert.NotEqual(losses, other.Train(points, 12));
    }

    [Fact]
    public void Its_surface_says_at_each_place_what_it_says_of_a_point_there()
    {
        using var classifier = new PlaneClassifier(hidden: 4, seed: 1);
        PlaneSurface surface = classifier.Surface(-1, 1, 5);
        Assert.Equal(5, surface.Chances.Length);
        for (int up = 0; up < 5; up++)
        {
            for (int across = 0; across < 5; across++)
            {
                PlanePoint[] place = [new(-1 + (across * 0.5), -1 + (up * 0.5), 1)];
                Assert.Equal(-Math.Log(surface.Chances[up][across]), classifier.Loss(place), 1e-5);
            }
        }
    }
}
