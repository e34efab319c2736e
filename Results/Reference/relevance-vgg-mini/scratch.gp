set terminal svg size 720,614 dynamic enhanced font "sans,13" background rgb "white"
set encoding utf8
set xlabel "count" noenhanced
set ylabel "scratch.test.accuracy (%)" noenhanced
set grid lc rgb "#cccccc"
set border 3
set tics nomirror
set key below noenhanced height 1.5
set title "scratch.test.accuracy (%) against count, mean ± 95 % interval over 5 seeds" noenhanced
set xrange [11.4:24.6]
set xtics ("12" 12.0, "24" 24.0) noenhanced
$line0 << EOD
12.0 51.739999999999995 1.2121337379459822
24.0 43.16 1.3069951295832667
EOD
$line1 << EOD
12.0 50.8 1.5207216137916373
24.0 45.22 2.5528201132685124
EOD
$line2 << EOD
12.0 51.739999999999995 1.2121337379459822
24.0 43.16 1.3069951295832667
EOD
$line3 << EOD
12.0 51.86000000000001 1.5842776273938752
24.0 41.24 4.783710979717946
EOD
$line4 << EOD
12.0 52.46000000000001 1.3069951295832667
24.0 43.6 2.5627656162229546
EOD
$line5 << EOD
12.0 52.12 0.8208140987448088
24.0 44.46 0.9878839828884683
EOD
plot $line0 using ($1+(-0.4800000000000001)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 1 lc rgb "#0072B2" title "relevance", \
     $line1 using ($1+(-0.28800000000000003)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 2 lc rgb "#D55E00" title "relevance, classWeights false", \
     $line2 using ($1+(-0.096)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 3 lc rgb "#009E73" title "relevance, place output", \
     $line3 using ($1+(0.096)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 4 lc rgb "#CC79A7" title "l1", \
     $line4 using ($1+(0.2880000000000001)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 5 lc rgb "#E69F00" title "taylor", \
     $line5 using ($1+(0.4800000000000001)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 1 lc rgb "#56B4E9" title "random"
